"""The narrative report of a case names what is there and denies what is not."""

import itertools

import pytest

from radir_node.domain.phantom import FindingKind, PhantomCase
from radir_node.phantoms.archive import cases
from radir_node.phantoms.report import write

_WORDS = {
    FindingKind.EFFUSION: ("effusion",),
    FindingKind.CONSOLIDATION: ("consolidation",),
    FindingKind.GROUND_GLASS: ("ground-glass",),
    FindingKind.NODULE: ("nodul",),
    FindingKind.CARDIOMEGALY: ("enlarged", "cardiomegaly"),
    FindingKind.PNEUMOTHORAX: ("pneumothorax",),
    FindingKind.EMPHYSEMA: ("emphysem",),
    FindingKind.PACEMAKER: ("pacemaker",),
    FindingKind.CENTRAL_LINE: ("venous line", "venous catheter"),
    FindingKind.TRACHEAL_TUBE: ("endotracheal tube",),
}
_ARCHIVE = list(cases(45, 30, 8))


def _affirmed(case: PhantomCase) -> str:
    sentences = write(case).findings.split(". ")
    return ". ".join(s for s in sentences if "No " not in s and "no " not in s and "without" not in s).lower()


@pytest.mark.parametrize("case", _ARCHIVE, ids=lambda case: str(case.number))
def test_every_finding_is_affirmed_with_its_side(case: PhantomCase) -> None:
    """Each finding stands in a sentence without negation, and its side is named."""
    text = _affirmed(case)

    for finding in case.findings:
        assert any(word in text for word in _WORDS[finding.kind])
        if finding.side in ("left", "right"):
            assert finding.side in text


@pytest.mark.parametrize("case", _ARCHIVE, ids=lambda case: str(case.number))
def test_absent_pleural_disease_is_denied(case: PhantomCase) -> None:
    """Effusion and pneumothorax are always spoken of: affirmed, or denied."""
    text = write(case).findings.lower()
    affirmed = _affirmed(case)

    for kind, word in ((FindingKind.EFFUSION, "effusion"), (FindingKind.PNEUMOTHORAX, "pneumothorax")):
        assert word in text
        assert (word in affirmed) == case.has(kind)


@pytest.mark.parametrize("case", _ARCHIVE, ids=lambda case: str(case.number))
def test_the_text_is_finished_english(case: PhantomCase) -> None:
    """No template mark is left over, no word is doubled, and every section ends a sentence."""
    report = write(case)

    for section in (report.indication, report.findings, report.impression):
        words = section.lower().split()
        assert "{" not in section
        assert all(one != next_one for one, next_one in itertools.pairwise(words))
        assert section.endswith(".")


def test_wording_varies_between_studies() -> None:
    """Reports of the same finding are not copies of one sentence."""
    texts = {write(case).findings for case in _ARCHIVE if not case.findings}

    assert len(texts) > 3
