"""`make bench-similarity`: seconds and pairs a second of report similarity, 10,000 x 10,000 at one anatomy.

The reports are made up: one to twelve findings each, of lung findings at places of the lung, the common ones often,
so that about as many are distinct as in an archive, or all of them (--distinct). Peak memory is of the whole process.
"""

import argparse
import json
import resource
import sys
import time

import numpy as np

from radir_node.domain.anatomy import SIDES, SITES, AnatomyRef
from radir_node.domain.report import Status, Tag
from radir_node.reports.lexicon import lies_in, load_lexicon
from radir_node.reports.parser import LANGUAGE
from radir_node.reports.similarity.embedder import VocabularyEmbedder
from radir_node.reports.similarity.entities import Entity, entities_of
from radir_node.reports.similarity.rate_score import similarity_blocks

ANATOMY = "lung"
MOST_FINDINGS = 12


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--reports", type=int, default=10_000)
    options.add_argument("--distinct", action="store_true", help="no two reports are alike")
    options.add_argument("--json", action="store_true", help="print one JSON document")
    chosen = options.parse_args()
    reports = made_up_reports(chosen.reports, distinct=chosen.distinct)
    before = peak_mb()
    begin = time.perf_counter()
    total = sum(float(rows.sum(dtype=np.float64)) for _, rows in similarity_blocks(reports, VocabularyEmbedder()))
    seconds = time.perf_counter() - begin
    figures = {
        "reports": len(reports),
        "distinct": len(set(reports)),
        "entities": len({entity for report in reports for entity in report}),
        "seconds": round(seconds, 2),
        "pairs_per_second": round(len(reports) ** 2 / seconds),
        "mean": round(total / len(reports) ** 2, 4),
        "peak_mb_before": before,
        "peak_mb": peak_mb(),
    }
    sys.stdout.write(json.dumps(figures) + "\n" if chosen.json else table(figures))


def made_up_reports(count: int, *, distinct: bool = False, seed: int = 0) -> list[tuple[Entity, ...]]:
    """Make the entities of so many reports about the lung."""
    known = load_lexicon(LANGUAGE).findings.values()
    findings = [finding.id for finding in known if finding.site and lies_in(finding.site, ANATOMY)]
    keys = [AnatomyRef(site).key for site in SITES] + [
        AnatomyRef(site, side).key for site, entry in SITES.items() if entry.side == "sided" for side in SIDES
    ]
    places = [key for key in keys if lies_in(key, ANATOMY)]
    random = np.random.default_rng(seed)
    share = 1 / np.arange(1, len(findings) + 1)
    made: list[tuple[Entity, ...]] = []
    seen: set[tuple[Entity, ...]] = set()
    while len(made) < count:
        few = int(random.integers(1, MOST_FINDINGS + 1))
        chosen = random.choice(len(findings), few, p=share / share.sum())
        sites = random.choice(len(places), few)
        status = random.choice(["present", "absent"], few)
        tags = [
            Tag(findings[f], places[s], Status(state), 0, 1, number, number + 1, "made up")
            for number, (f, s, state) in enumerate(zip(chosen, sites, status, strict=True))
        ]
        report = entities_of(tags, (ANATOMY,))
        if not distinct or report not in seen:
            seen.add(report)
            made.append(report)
    return made


def peak_mb() -> int:
    """Give the most memory this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def table(figures: dict[str, float]) -> str:
    """Write the figures for a terminal."""
    return "".join(f"{name.replace('_', ' '):20} {figure:>16,}\n" for name, figure in figures.items())


if __name__ == "__main__":
    main()
