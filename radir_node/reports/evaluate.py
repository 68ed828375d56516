"""Measure the parser on a folder of annotated reports: anatomy, findings, CT labels, negation. Called by `radir eval`.

The folder is laid out like the shared data: openi/ with its gold tables, text/ with the CT and NegEx tables.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radir_node.reports.evaluation.ct_rate import evaluate_ct_rate
from radir_node.reports.evaluation.negex import evaluate_negex
from radir_node.reports.evaluation.openi import evaluate_openi
from radir_node.reports.evaluation.scores import Measured, Score
from radir_node.reports.evaluation.split import STATEMENT, Split
from radir_node.reports.parser import PARSER_VERSION

VARIANTS = ("anatomy.site.keyword", "findings14.stated", "findings14.keyword")


@dataclass(frozen=True, slots=True)
class ReportScores:
    """Everything that was measured on one folder."""

    split: Split
    measured: Mapping[str, Measured]
    """anatomy.site, anatomy.site_side, findings14, ct18, negex; and variants of them: stated only, keyword level."""

    def as_dict(self) -> dict[str, Any]:
        """Give the figures as nested dictionaries: document["anatomy"]["site"]["f1"], and n beside each."""
        m = self.measured
        return {
            "parser_version": PARSER_VERSION,
            "split": {"name": self.split, "rule": STATEMENT},
            "anatomy": {
                "site": {**_figures(m["anatomy.site"]), "keyword_f1": round(m["anatomy.site.keyword"].micro.f1, 4)},
                "site_side": _figures(m["anatomy.site_side"]),
            },
            "findings14": {
                "micro": {
                    **_figures(m["findings14"]),
                    "stated_f1": round(m["findings14.stated"].micro.f1, 4),
                    "keyword_f1": round(m["findings14.keyword"].micro.f1, 4),
                },
                "n": m["findings14"].n,
            },
            "ct18": {
                "macro": {"f1": round(m["ct18"].macro_f1, 4), "n": m["ct18"].n},
                "micro": _figures(m["ct18"]),
                "n": m["ct18"].n,
            },
            "negex": {"accuracy": round(m["negex"].accuracy, 4), **_figures(m["negex"])},
        }


def evaluate_reports(data: Path, split: Split = "test") -> ReportScores:
    """Run the parser over every annotated collection in a folder. Raises OSError when a table is missing."""
    openi = evaluate_openi(data / "openi", split)
    return ReportScores(
        split,
        {
            "anatomy.site": openi.sites,
            "anatomy.site.keyword": openi.sites_keyword,
            "anatomy.site_side": openi.sites_sided,
            "findings14": openi.findings,
            "findings14.stated": openi.findings_stated,
            "findings14.keyword": openi.findings_keyword,
            "ct18": evaluate_ct_rate(data / "text", split),
            "negex": evaluate_negex(data / "text", split),
        },
    )


def write_errors(scores: ReportScores, folder: Path) -> list[Path]:
    """Write each disagreement with its sentence, one table per collection. The files hold report text.

    Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, measured in scores.measured.items():
        if name not in VARIANTS:
            written.append(folder / f"{name}.csv")
            with written[-1].open("w", encoding="utf-8", newline="") as handle:
                table = csv.writer(handle)
                table.writerow(("item", "label", "kind", "evidence"))
                table.writerows((m.item, " ".join(m.element).strip(), m.kind, m.evidence) for m in measured.misses)
    return written


def report_table(scores: ReportScores) -> str:
    """Write the figures for a terminal: one line per evaluation, then one per label of each."""
    headline = {"ct18": "macro F1 {0.macro_f1:.3f}", "negex": "accuracy {0.accuracy:.3f}"}
    lines = [f"parser {PARSER_VERSION}, split {scores.split}", STATEMENT, ""]
    for name, measured in scores.measured.items():
        figures = headline.get(name, "micro F1 {0.micro.f1:.3f}").format(measured)
        lines.append(f"{name:20} {figures}  (n {measured.n})")
    for name, measured in scores.measured.items():
        if name not in VARIANTS:
            lines += ["", f"{name:34} {'P':>6} {'R':>6} {'F1':>6} {'gold':>6}"]
            lines += [f"  {label:32} {_columns(score)}" for label, score in measured.labels.items()]
    return "\n".join(lines)


def _columns(score: Score) -> str:
    gold = score.true_positive + score.false_negative
    return f"{score.precision:6.3f} {score.recall:6.3f} {score.f1:6.3f} {gold:6}"


def _figures(measured: Measured) -> dict[str, Any]:
    micro = measured.micro
    return {
        "f1": round(micro.f1, 4),
        "precision": round(micro.precision, 4),
        "recall": round(micro.recall, 4),
        "n": measured.n,
        "positives": micro.true_positive + micro.false_negative,
        "labels": {
            label: {
                "f1": round(score.f1, 4),
                "precision": round(score.precision, 4),
                "recall": round(score.recall, 4),
                "positives": score.true_positive + score.false_negative,
            }
            for label, score in measured.labels.items()
        },
    }
