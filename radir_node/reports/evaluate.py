"""Measure the parser against human annotation of the Open-i chest X-ray reports. Called by tests and evaluation verbs.

Two golds of the same reports: 14 findings per report (openi_gld_std14.csv; positives only, so an uncertain tag counts
as absent), and MeSH chains (openi_mesh_gold.csv), of which the sites and sides are read.
"""

import csv
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from radir_node.domain.anatomy import is_at_or_below
from radir_node.domain.report import Status, Tag
from radir_node.reports.parser import parse

_Label = TypeVar("_Label")
Site = tuple[str, str]
"""(site of the gold, "left", "right" or "")."""

FINDING_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "Atelectasis": ("atelectasis",),
    "Cardiomegaly": ("cardiomegaly",),
    "Effusion": ("pleural_effusion",),
    "Infiltration": ("infiltrate",),
    "Mass": ("mass",),
    "Nodule": ("nodule",),
    "Pneumonia": ("pneumonia",),
    "Pneumothorax": ("pneumothorax",),
    "Consolidation": ("consolidation",),
    "Edema": ("edema",),
    "Emphysema": ("emphysema",),
    "Fibrosis": ("fibrosis",),
    "Pleural_Thickening": ("pleural_thickening",),
}
"""Column of the finding gold -> findings of ours that mean it. Its fourteenth, Hernia, marks no report at all."""

_GOLD_SITES: Mapping[str, str] = {
    "base": "lower lung",
    "lower lobe": "lower lung",
    "thoracic vertebrae": "spine",
    "aorta, thoracic": "aorta",
    "pleural effusion": "pleura",
    "pneumothorax": "pleura",
    "hydropneumothorax": "pleura",
    "cardiomegaly": "heart",
    "cardiac shadow": "heart",
    "diaphragmatic eventration": "diaphragm",
    **{
        site: site
        for site in (
            *("upper lobe", "middle lobe", "lingula", "apex", "hilum", "costophrenic angle", "ribs", "spine", "aorta"),
            *("mediastinum", "clavicle", "humerus", "trachea", "pleura", "abdomen", "diaphragm"),
        )
    },
}
"""Element of a MeSH chain, lower case -> the site it names."""

_OUR_SITES: Mapping[str, tuple[str, ...]] = {
    "lower lung": ("lower_lobe", "lower_zone_base"),
    "upper lobe": ("upper_lobe", "upper_zone"),
    "middle lobe": ("middle_lobe:right", "mid_zone:right"),
    "lingula": ("lingula:left", "mid_zone:left"),
    "apex": ("lung_apex",),
    "hilum": ("hilum",),
    "costophrenic angle": ("costophrenic_angle",),
    "ribs": ("rib",),
    "spine": ("thoracic_spine",),
    "aorta": ("aorta",),
    "mediastinum": ("mediastinum", "mediastinal_node"),
    "clavicle": ("clavicle",),
    "humerus": ("humerus",),
    "trachea": ("trachea",),
    "pleura": ("pleura",),
    "abdomen": ("upper_abdomen",),
    "heart": ("heart",),
    "diaphragm": ("diaphragm",),
}
"""Site of the gold -> our anatomy keys that are it; aorta and abdomen include their parts."""

_WITH_PARTS = ("aorta", "abdomen")
_WITHOUT_SIDE = ("spine", "aorta", "mediastinum", "trachea", "abdomen", "heart")


@dataclass(frozen=True, slots=True)
class Score:
    """Counts over all reports and labels, and the micro-averaged measures of them, each in [0, 1]."""

    true_positive: int
    false_positive: int
    false_negative: int

    @property
    def precision(self) -> float:
        return self.true_positive / max(1, self.true_positive + self.false_positive)

    @property
    def recall(self) -> float:
        return self.true_positive / max(1, self.true_positive + self.false_negative)

    @property
    def f1(self) -> float:
        return 2 * self.true_positive / max(1, 2 * self.true_positive + self.false_positive + self.false_negative)


@dataclass(frozen=True, slots=True)
class OpeniScores:
    """The parser on one part of Open-i, and the same mentions without reading their context (the keyword level)."""

    reports: int
    findings: Score
    findings_keyword: Score
    sites: Score
    sites_keyword: Score
    sites_sided: Score


def is_held_out(uid: str) -> bool:
    """Assign a report to one of two fixed halves by a hash of its uid. Rules are written looking at the other half."""
    return hashlib.sha256(uid.encode()).digest()[0] % 2 == 1


def evaluate_openi(folder: Path, *, held_out: bool = True) -> OpeniScores:
    """Score the parser on one half of the Open-i reports in folder. Raises OSError when a file is missing."""
    tags = {
        row["uid"]: parse(f"FINDINGS:\n{row['findings']}\n\nIMPRESSION:\n{row['impression']}")
        for row in _rows(folder / "openi_reports.csv")
        if is_held_out(row["uid"]) == held_out
    }
    findings = {row["uid"]: _gold_findings(row) for row in _rows(folder / "openi_gld_std14.csv")}
    sites = _gold_sites(_rows(folder / "openi_mesh_gold.csv"))
    return OpeniScores(
        reports=len(tags),
        findings=_score(tags, findings, lambda found: _findings(found, _stated)),
        findings_keyword=_score(tags, findings, lambda found: _findings(found, _any)),
        sites=_score(tags, _unsided(sites), lambda found: {site for site, _ in _sites(found, _believed)}),
        sites_keyword=_score(tags, _unsided(sites), lambda found: {site for site, _ in _sites(found, _any)}),
        sites_sided=_score(tags, sites, lambda found: _sites(found, _believed)),
    )


def _stated(tag: Tag) -> bool:
    return tag.status is Status.PRESENT


def _believed(tag: Tag) -> bool:
    return tag.status in (Status.PRESENT, Status.UNCERTAIN)


def _any(tag: Tag) -> bool:
    return True


def _score(
    tags: Mapping[str, tuple[Tag, ...]],
    gold: Mapping[str, set[_Label]],
    read: Callable[[tuple[Tag, ...]], set[_Label]],
) -> Score:
    pairs = [(gold[uid], read(found)) for uid, found in tags.items() if uid in gold]
    return Score(
        sum(len(wanted & got) for wanted, got in pairs),
        sum(len(got - wanted) for wanted, got in pairs),
        sum(len(wanted - got) for wanted, got in pairs),
    )


def _findings(tags: Iterable[Tag], keep: Callable[[Tag], bool]) -> set[str]:
    ours = {tag.finding for tag in tags if keep(tag)}
    return {column for column, findings in FINDING_COLUMNS.items() if ours.intersection(findings)}


def _sites(tags: Iterable[Tag], keep: Callable[[Tag], bool]) -> set[Site]:
    return {pair for key in {tag.anatomy for tag in tags if keep(tag)} for pair in _gold_names(key)}


def _gold_names(key: str) -> set[Site]:
    site, _, side = key.partition(":")
    names = {
        name
        for name, keys in _OUR_SITES.items()
        if key in keys or site in keys or (name in _WITH_PARTS and any(is_at_or_below(key, whole) for whole in keys))
    }
    return {pair for name in names for pair in _with_sides(name, side)}


def _with_sides(name: str, side: str) -> set[Site]:
    if name in _WITHOUT_SIDE:
        return {(name, "")}
    return {(name, "left"), (name, "right")} if side == "bilateral" else {(name, side)}


def _gold_findings(row: Mapping[str, str]) -> set[str]:
    return {column for column in FINDING_COLUMNS if row[column] == "1"}


def _gold_sites(rows: Iterable[Mapping[str, str]]) -> dict[str, set[Site]]:
    """Read the sites of each report's MeSH chains; reports that were not indexed are left out."""
    gold: dict[str, set[Site]] = {}
    for row in rows:
        parts = [part.strip() for part in row["coding"].lower().split("/")]
        if parts == ["no indexing"]:
            continue
        side = next((part for part in parts if part in ("left", "right", "bilateral")), "")
        named = {_GOLD_SITES[part] for part in parts if part in _GOLD_SITES}
        gold.setdefault(row["uid"], set()).update(pair for name in named for pair in _with_sides(name, side))
    return gold


def _unsided(gold: Mapping[str, set[Site]]) -> dict[str, set[str]]:
    return {uid: {site for site, _ in sites} for uid, sites in gold.items()}


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))
