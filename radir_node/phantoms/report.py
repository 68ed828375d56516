"""Writes the narrative report of a case: indication, findings with their negations, impression.

Called by radir_node.phantoms.archive.
"""

from collections.abc import Sequence

import numpy as np

from radir_node.domain import anatomy
from radir_node.domain.phantom import FindingKind, PhantomCase, PhantomFinding, PhantomReport
from radir_node.domain.study import Modality
from radir_node.phantoms import phrases

_LUNG_KINDS = (FindingKind.CONSOLIDATION, FindingKind.GROUND_GLASS, FindingKind.NODULE, FindingKind.EMPHYSEMA)
_DEVICES = (FindingKind.PACEMAKER, FindingKind.CENTRAL_LINE, FindingKind.TRACHEAL_TUBE)


def write(case: PhantomCase) -> PhantomReport:
    """Return the report of a case: every finding is named with its place, and what is absent is denied."""
    rng = np.random.default_rng([case.archive_seed, case.number, 9])
    sentences = [*_devices(case, rng), *_lungs(case, rng), *_pleura(case, rng), *_heart(case, rng), *_rest(case, rng)]
    return PhantomReport(_indication(case, rng), " ".join(sentences), _impression(case, rng))


def _one(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def _filled(template: str, finding: PhantomFinding) -> str:
    grade = int(np.searchsorted([0.4, 0.7], finding.severity, side="right"))
    words = {
        "size": ("small", "moderate", "large")[grade],
        "grade": ("mild", "moderate", "marked")[grade],
        "grade_adverb": ("mildly", "moderately", "markedly")[grade],
        "extent": ("mild", "moderate", "extensive")[grade],
        "mm": str(finding.diameter_mm),
        "side": finding.side,
        "where": _where(finding),
    }
    raised = {word.capitalize(): text[:1].upper() + text[1:] for word, text in words.items()}
    return template.format(**words, **raised)


def _where(finding: PhantomFinding) -> str:
    """Return "the right upper lobe" or "both upper lobes"."""
    name = anatomy.label(finding.site).lower().removesuffix(" of lung").removeprefix("right ")
    return f"both {name}s" if finding.side == "bilateral" else f"the {finding.side} {name}"


def _template(finding: PhantomFinding, rng: np.random.Generator) -> str:
    if finding.kind is FindingKind.EFFUSION and finding.side == "bilateral":
        return _one(phrases.BOTH_EFFUSIONS, rng)
    return _one(phrases.PRESENT[finding.kind], rng)


def _summary(finding: PhantomFinding) -> str:
    if finding.kind is FindingKind.EFFUSION and finding.side == "bilateral":
        return phrases.BOTH_EFFUSIONS[-1]
    return phrases.SUMMARY[finding.kind]


def _sentences(case: PhantomCase, kinds: Sequence[FindingKind], rng: np.random.Generator) -> list[str]:
    found = [finding for finding in case.findings if finding.kind in kinds]
    return [_filled(_template(finding, rng), finding) for finding in found]


def _devices(case: PhantomCase, rng: np.random.Generator) -> list[str]:
    return _sentences(case, _DEVICES, rng)


def _lungs(case: PhantomCase, rng: np.random.Generator) -> list[str]:
    found = _sentences(case, _LUNG_KINDS, rng)
    return [*found, _one(phrases.CLEAR_ELSEWHERE, rng)] if found else [_one(phrases.CLEAR_LUNGS, rng)]


def _pleura(case: PhantomCase, rng: np.random.Generator) -> list[str]:
    found = _sentences(case, (FindingKind.EFFUSION, FindingKind.PNEUMOTHORAX), rng)
    effusion, pneumothorax = case.has(FindingKind.EFFUSION), case.has(FindingKind.PNEUMOTHORAX)
    if not effusion and not pneumothorax:
        return [_one(phrases.NO_PLEURA, rng)]
    if effusion and pneumothorax:
        return found
    return [*found, _one(phrases.NO_PNEUMOTHORAX if effusion else phrases.NO_EFFUSION, rng)]


def _heart(case: PhantomCase, rng: np.random.Generator) -> list[str]:
    return _sentences(case, (FindingKind.CARDIOMEGALY,), rng) or [_one(phrases.NORMAL_HEART, rng)]


def _rest(case: PhantomCase, rng: np.random.Generator) -> list[str]:
    if case.modality is Modality.CXR:
        return [_one(phrases.CXR_BONES, rng)]
    parts = (phrases.CT_MEDIASTINUM, phrases.CT_AIRWAYS, phrases.CT_ABDOMEN, phrases.CT_BONES)
    return [_one(part, rng) for part in parts]


def _indication(case: PhantomCase, rng: np.random.Generator) -> str:
    if not case.findings:
        return _one(phrases.NO_INDICATION, rng)
    return _one(phrases.INDICATION[case.findings[0].kind], rng)


def _impression(case: PhantomCase, rng: np.random.Generator) -> str:
    if not case.findings:
        return _one(phrases.NORMAL_IMPRESSION, rng)
    lines = [_filled(_summary(finding), finding) for finding in case.findings]
    return lines[0] if len(lines) == 1 else " ".join(f"{n}. {line}" for n, line in enumerate(lines, start=1))
