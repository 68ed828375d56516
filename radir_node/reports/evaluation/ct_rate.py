"""Measure the parser on chest CT reports of CT-RATE with 18 labels per report. Called by reports.evaluate.

The labels (text/ct_rate_reports_18labels.csv) are of what a report states or thinks likely. They are looser than the
words of a radiologist: any stated lymph node is a lymphadenopathy, for instance.
"""

from collections.abc import Mapping
from pathlib import Path

from radir_node.domain.report import Tag
from radir_node.reports.evaluation.scores import Element, Measured, compare, is_likely, rows
from radir_node.reports.evaluation.split import Split, is_in
from radir_node.reports.lexicon import lies_in
from radir_node.reports.parser import parse

COLLECTION = "ct_rate"
FILE = "ct_rate_reports_18labels.csv"
_DEVICES = ("support_device", "cardiac_device", "surgical_material", "stent", "implant", "foreign_body")

LABELS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Medical material": tuple((device, "thorax") for device in _DEVICES),
    "Arterial wall calcification": (("atherosclerosis", "aorta"), ("atherosclerosis", "chest_wall")),
    "Cardiomegaly": (("cardiomegaly", "heart"),),
    "Pericardial effusion": (("pericardial_effusion", "pericardium"),),
    "Coronary artery wall calcification": (
        ("coronary_calcification", "coronary_artery"),
        ("atherosclerosis", "coronary_artery"),
    ),
    "Hiatal hernia": (("hernia", "esophageal_hiatus"),),
    "Lymphadenopathy": (("lymphadenopathy", "thorax"),),
    "Emphysema": (("emphysema", "thorax"),),
    "Atelectasis": (("atelectasis", "thorax"),),
    "Lung nodule": (("nodule", "lung"), ("granuloma", "lung")),
    "Lung opacity": (("ground_glass", "lung"), ("opacity", "lung")),
    "Pulmonary fibrotic sequela": (("scarring", "thorax"), ("fibrosis", "lung")),
    "Pleural effusion": (("pleural_effusion", "pleura"),),
    "Mosaic attenuation pattern": (("mosaic_attenuation", "lung"),),
    "Peribronchial thickening": (("bronchial_wall_thickening", "thorax"),),
    "Consolidation": (("consolidation", "lung"),),
    "Bronchiectasis": (("bronchiectasis", "thorax"),),
    "Interlobular septal thickening": (("septal_thickening", "lung"),),
}
"""Column -> (finding, region) pairs of ours that mean it."""


def evaluate_ct_rate(folder: Path, split: Split = "test") -> Measured:
    """Score the parser on the CT reports in a folder. Raises OSError when the file is missing."""
    table = {row["AccessionNo"]: row for row in rows(folder / FILE) if is_in(split, COLLECTION, row["AccessionNo"])}
    texts = {name: row["report_text"] for name, row in table.items()}
    tags = {name: parse(text) for name, text in texts.items()}
    gold: dict[str, set[Element]] = {
        name: {(label,) for label in LABELS if row[label] == "1"} for name, row in table.items()
    }
    return compare(LABELS, texts, tags, gold, _labels)


def _labels(tag: Tag) -> set[Element]:
    if not is_likely(tag):
        return set()
    return {
        (label,)
        for label, pairs in LABELS.items()
        if any(tag.finding == finding and lies_in(tag.anatomy, region) for finding, region in pairs)
    }
