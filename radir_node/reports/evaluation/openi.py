"""Measure the parser on the Open-i chest radiograph reports, against two human annotations. Called by reports.evaluate.

14 findings per report (openi_gld_std14.csv; positives only), and MeSH chains
(openi_mesh_gold.csv), of which the sites and sides are read.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from radir_node.domain.anatomy import is_at_or_below
from radir_node.domain.report import Status, Tag
from radir_node.reports.evaluation.scores import Element, Measured, compare, is_likely, rows
from radir_node.reports.evaluation.split import Split, is_in
from radir_node.reports.parser import parse

COLLECTION = "openi"
Reading = Callable[[Tag], bool]

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
    "Hernia": ("hernia",),
}
"""Column of the finding gold -> findings of ours that mean it. A column that marks no report is no gold: Hernia."""

_SITE_NAMES = (
    *("upper lobe", "middle lobe", "lingula", "apex", "hilum", "costophrenic angle", "ribs", "spine", "aorta"),
    *("mediastinum", "clavicle", "humerus", "trachea", "pleura", "abdomen", "diaphragm"),
)
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
    **{site: site for site in _SITE_NAMES},
}
"""Element of a MeSH chain, lower case -> the site it names."""

_OUR_SITES: Mapping[str, tuple[str, ...]] = {
    "lower lung": ("lower_lobe", "lower_zone_base"),
    "upper lobe": ("upper_lobe", "upper_zone"),
    "middle lobe": ("middle_lobe:right", "mid_zone:right", "mid_zone:bilateral"),
    "lingula": ("lingula:left", "mid_zone:left"),
    "apex": ("lung_apex",),
    "hilum": ("hilum", "hilar_node"),
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

_ONLY_BY: Mapping[str, tuple[str, ...]] = {"heart": ("cardiomegaly",)}
"""Sites that the gold takes from the heading of one finding alone."""
_WITH_PARTS = ("aorta", "abdomen")
_WITHOUT_SIDE = ("spine", "aorta", "mediastinum", "trachea", "abdomen", "heart")
_ONE_SIDED = {"lingula": "left"}
"""The lingula is on the left whether or not an annotator says so; no chain of the gold does."""


@dataclass(frozen=True, slots=True)
class OpeniScores:
    """The parser on a split of Open-i, and the same mentions without reading their context (the keyword level)."""

    findings: Measured
    findings_stated: Measured
    """The same with every uncertain tag taken as absent."""
    findings_keyword: Measured
    sites: Measured
    sites_sided: Measured
    sites_keyword: Measured


def evaluate_openi(folder: Path, split: Split = "test") -> OpeniScores:
    """Score the parser on the Open-i reports in a folder. Raises OSError when a file is missing."""
    texts = {row["uid"]: _text(row) for row in rows(folder / "openi_reports.csv")}
    texts = {uid: text for uid, text in texts.items() if is_in(split, COLLECTION, uid)}
    tags = {uid: parse(text) for uid, text in texts.items()}
    columns, findings = _gold_findings(rows(folder / "openi_gld_std14.csv"))
    sites = _gold_sites(rows(folder / "openi_mesh_gold.csv"))
    unsided: dict[str, set[Element]] = {uid: {(site,) for site, _ in named} for uid, named in sites.items()}

    def score(labels: Iterable[str], gold: Mapping[str, set[Element]], read: Callable[[Tag], set[Element]]) -> Measured:
        return compare(labels, texts, tags, gold, read)

    return OpeniScores(
        findings=score(columns, findings, lambda tag: _findings(tag, columns, is_likely)),
        findings_stated=score(columns, findings, lambda tag: _findings(tag, columns, _stated)),
        findings_keyword=score(columns, findings, lambda tag: _findings(tag, columns, _any)),
        sites=score(_OUR_SITES, unsided, lambda tag: {(site,) for site, _ in _sites(tag, is_likely)}),
        sites_sided=score(_OUR_SITES, sites, lambda tag: _sites(tag, is_likely)),
        sites_keyword=score(_OUR_SITES, unsided, lambda tag: {(site,) for site, _ in _sites(tag, _any)}),
    )


def _text(row: Mapping[str, str]) -> str:
    return f"FINDINGS:\n{row['findings']}\n\nIMPRESSION:\n{row['impression']}"


def _stated(tag: Tag) -> bool:
    return tag.status is Status.PRESENT


def _any(tag: Tag) -> bool:
    return True


def _findings(tag: Tag, columns: Iterable[str], keep: Reading) -> set[Element]:
    return {(column,) for column in columns if keep(tag) and tag.finding in FINDING_COLUMNS[column]}


def _sites(tag: Tag, keep: Reading) -> set[Element]:
    if not keep(tag):
        return set()
    site, _, side = tag.anatomy.partition(":")
    return {
        pair
        for name, keys in _OUR_SITES.items()
        if tag.finding in _ONLY_BY.get(name, (tag.finding,))
        and (
            {tag.anatomy, site}.intersection(keys)
            or (name in _WITH_PARTS and any(is_at_or_below(tag.anatomy, whole) for whole in keys))
        )
        for pair in _with_sides(name, side)
    }


def _with_sides(name: str, side: str) -> set[Element]:
    if name in _WITHOUT_SIDE:
        return {(name, "")}
    side = side or _ONE_SIDED.get(name, "")
    return {(name, "left"), (name, "right")} if side == "bilateral" else {(name, side)}


def _gold_findings(table: Iterable[Mapping[str, str]]) -> tuple[tuple[str, ...], dict[str, set[Element]]]:
    gold: dict[str, set[Element]] = {
        row["uid"]: {(column,) for column in FINDING_COLUMNS if row[column] == "1"} for row in table
    }
    marked = set().union(*gold.values())
    return tuple(column for column in FINDING_COLUMNS if (column,) in marked), gold


def _gold_sites(table: Iterable[Mapping[str, str]]) -> dict[str, set[Element]]:
    """Read the sites of each report's MeSH chains; reports that were not indexed are left out."""
    gold: dict[str, set[Element]] = {}
    for row in table:
        parts = [part.strip() for part in row["coding"].lower().split("/")]
        if parts == ["no indexing"]:
            continue
        side = next((part for part in parts if part in ("left", "right", "bilateral")), "")
        named = {_GOLD_SITES[part] for part in parts if part in _GOLD_SITES}
        gold.setdefault(row["uid"], set()).update(pair for name in named for pair in _with_sides(name, side))
    return gold
