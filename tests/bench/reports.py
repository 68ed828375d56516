"""`make bench-reports`: processor time per report of the parser and of medspaCy, on the same texts, in one run.

Each report is parsed once, as in an archive that is read for the first time. medspaCy runs in an environment of its
own, outside the repository (MEDSPACY_VENV, made on the first run from medspacy.txt); where it cannot be installed, the
table says so and shows the parser alone. Processor time, so that other work on the machine counts little.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from radir_node.reports import parser
from radir_node.reports.lexicon import load_lexicon

HERE = Path(__file__).resolve().parent
BAR_MS = 0.3
BAR_RATIO = 25
MEDSPACY_REPORTS = 1000
"""medspaCy takes some 8 ms a report; so many give a steady mean."""


def main() -> int:
    """Print the table; 1 where a bar is missed."""
    options = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("RADIR_SHARED_DATA", HERE.parent.parent.parent / "shared" / "data"))
    options.add_argument("--data", type=Path, default=default, help="folder that holds openi/ and text/")
    options.add_argument("--json", action="store_true", help="print one JSON document")
    chosen = options.parse_args()
    radiographs, ct = radiograph_reports(chosen.data), ct_reports(chosen.data)
    figures = {
        "reports": len(radiographs),
        "radir_ms": measure(radiographs),
        "radir_new_sentences_ms": measure(radiographs, forget=parser.forget_sentences),
        "radir_ct_ms": measure(ct),
        "ct_reports": len(ct),
        **medspacy_figures(radiographs[:MEDSPACY_REPORTS]),
    }
    if "medspacy_ms" in figures:
        figures["ratio"] = round(figures["medspacy_ms"] / measure(radiographs[:MEDSPACY_REPORTS]), 1)
    sys.stdout.write((json.dumps(figures) if chosen.json else table(figures)) + "\n")
    return int(figures["radir_ms"] > BAR_MS or figures.get("ratio", BAR_RATIO) < BAR_RATIO)


def radiograph_reports(data: Path) -> list[str]:
    """Read the Open-i reports."""
    with (data / "openi" / "openi_reports.csv").open(encoding="utf-8", newline="") as handle:
        return [f"FINDINGS:\n{row['findings']}\n\nIMPRESSION:\n{row['impression']}" for row in csv.DictReader(handle)]


def ct_reports(data: Path) -> list[str]:
    """Read the CT-RATE reports, which are five times as long."""
    with (data / "text" / "ct_rate_reports_18labels.csv").open(encoding="utf-8", newline="") as handle:
        return [row["report_text"] for row in csv.DictReader(handle)]


def measure(texts: Sequence[str], forget: Callable[[], None] | None = None) -> float:
    """Parse each text once, nothing remembered of earlier ones; return milliseconds per report.

    forget: called before each text, to measure reports of which no sentence was ever seen.
    """
    load_lexicon.cache_clear()
    load_lexicon(parser.LANGUAGE)
    parser.forget_sentences()
    begin = time.process_time()
    for text in texts:
        if forget is not None:
            forget()
        parser.parse(text)
    return round((time.process_time() - begin) / len(texts) * 1000, 4)


def medspacy_figures(texts: Sequence[str]) -> dict[str, float | str]:
    """Time medspaCy on the texts, in its own environment; the reason where that cannot be."""
    python = Path(os.environ["MEDSPACY_VENV"]) / "bin" / "python"
    try:
        ensure(python)
        done = subprocess.run(
            [python, HERE / "medspacy_peer.py"], input=json.dumps(texts), text=True, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        last = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1:]
        return {"medspacy_missing": last[0] if last else type(error).__name__}
    return {"medspacy_reports": len(texts), "medspacy_ms": round(json.loads(done.stdout)["ms"], 4)}


def ensure(python: Path) -> None:
    """Make the environment if it is not there yet. Raises CalledProcessError."""
    probe = [python, "-c", "import medspacy"]
    if python.exists() and subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return
    for command in (
        [sys.executable, "-m", "venv", python.parent.parent],
        [python, "-m", "pip", "install", "-q", "-r", HERE / "medspacy.txt"],
    ):
        subprocess.run(command, text=True, capture_output=True, check=True)


def table(figures: dict[str, float | str]) -> str:
    """Write the figures for a terminal."""
    lines = [f"{'':44} {'ms/report':>10}"]
    for name, label in (
        ("radir_ms", f"parser, {figures['reports']} radiograph reports, each once"),
        ("radir_new_sentences_ms", "parser, the same, every sentence new"),
        ("radir_ct_ms", f"parser, {figures['ct_reports']} chest CT reports, each once"),
        ("medspacy_ms", f"medspaCy 1.3.1, {figures.get('medspacy_reports')} of the radiograph reports"),
    ):
        if name in figures:
            lines.append(f"{label:44} {figures[name]:10.3f}")
    if "ratio" in figures:
        lines.append(f"{'times faster than medspaCy on these':44} {figures['ratio']:10.1f}")
    else:
        lines.append(f"medspaCy could not be installed or run: {figures['medspacy_missing']}")
    return "\n".join([*lines, f"bars: {BAR_MS} ms per radiograph report, {BAR_RATIO} times medspaCy"])


if __name__ == "__main__":
    sys.exit(main())
