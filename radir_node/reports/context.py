"""Decide whether a mentioned finding is there: present, absent, uncertain, or a thing of the past.

One mention is judged from the cues of its own sentence, in the order of `judge`. The cues are data
(lexicon/<language>/context.yaml). Used by the parser.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from radir_node.domain.report import Status
from radir_node.reports.lexicon import CUE_GROUPS, Found, Lexicon

Span = tuple[int, int]

REACH_AFTER = 70
"""Characters after a mention in which a cue can still speak of it."""
REACH_NEGATION_AFTER = 45
REACH_UNCERTAIN_BEFORE = 60

_PSEUDO = ("pseudo", "pseudo_uncertain")
_DECIDING = frozenset(CUE_GROUPS) - {"termination", *_PSEUDO}

_LABEL_VALUE = re.compile(r"[^.:;\n]{0,20}?(?::|\s[-–]+)\s*")
"""Between a finding used as a label and its value: "Pleural effusion (left): None"."""


@dataclass(frozen=True, slots=True)
class SentenceCues:
    """The cues of one sentence, looked up once for all its mentions."""

    low: str
    start: int
    end: int
    label_values: Mapping[str, re.Pattern[str]]
    terminations: tuple[Span, ...]
    open_questions: tuple[Span, ...]
    """Phrases that look like a negation and leave the matter open ("cannot exclude")."""
    cues: tuple[Found, ...]
    """All others, without those inside a phrase that only looks like a negation ("no change in")."""

    @classmethod
    def of(cls, low: str, start: int, end: int, lexicon: Lexicon) -> "SentenceCues":
        """Find the cues of low[start:end]."""
        found = lexicon.cues.find_all(low, start, end)
        marks = [match.span() for match in lexicon.termination_marks.finditer(low, start, end)]
        pseudo = [(a, b) for a, b, group in found if group in _PSEUDO]
        cues = [cue for cue in found if cue[2] in _DECIDING and not any(a < cue[1] and cue[0] < b for a, b in pseudo)]
        stops = [(a, b) for a, b, group in found if group == "termination"]
        terminations = marks + [s for s in stops if not any(a < s[0] and s[1] <= b for a, b, _ in cues)]
        questions = tuple((a, b) for a, b, group in found if group == "pseudo_uncertain")
        return cls(low, start, end, lexicon.label_values, tuple(terminations), questions, tuple(cues))

    def before(self, start: int, end: int) -> Span:
        """Scope of the cues that precede a mention. The mention is part of it: "heart is not enlarged"."""
        return max((stop for _, stop in self.terminations if stop <= start), default=self.start), end

    def after(self, end: int) -> Span:
        """Scope of the cues that follow a mention."""
        stop = min((begin for begin, _ in self.terminations if begin >= end), default=self.end)
        return end, min(stop, end + REACH_AFTER)

    def has(self, group: str, scope: Span) -> bool:
        """Tell whether a cue of the group lies in the scope."""
        return any(name == group and _within((start, end), scope) for start, end, name in self.cues)


def judge(cues: SentenceCues, mention: Span) -> tuple[Status, str]:
    """Give the status of a mention and the name of the rule that decided it. The first rule that holds wins."""
    before, after = cues.before(*mention), cues.after(mention[1])
    near_before = (max(before[0], mention[0] - REACH_UNCERTAIN_BEFORE), before[1])
    near_after = (after[0], min(after[1], after[0] + REACH_NEGATION_AFTER))
    labelled = _label_value(cues, mention[1])
    if labelled is not None:
        return labelled
    if any(_within(span, before) or _within(span, after) for span in cues.open_questions):
        return Status.UNCERTAIN, "pseudo-negation"
    for group, scope, status in (
        ("pre_historical", before, Status.HISTORICAL),
        ("post_historical", near_after, Status.HISTORICAL),
        ("hypothetical", near_before, Status.UNCERTAIN),
        ("pre_negation", before, Status.ABSENT),
        ("post_negation", near_after, Status.ABSENT),
        ("pre_uncertain", near_before, Status.UNCERTAIN),
        ("post_uncertain", after, Status.UNCERTAIN),
    ):
        if cues.has(group, scope):
            return status, group.replace("_", "-")
    return Status.PRESENT, "stated"


def _label_value(cues: SentenceCues, end: int) -> tuple[Status, str] | None:
    """Read "finding: value", where the colon would otherwise end the scope of the value."""
    label = _LABEL_VALUE.match(cues.low, end, cues.end)
    if label is None:
        return None
    if cues.label_values["label_absent"].match(cues.low, label.end(), cues.end):
        return Status.ABSENT, "label-value"
    if cues.label_values["label_uncertain"].match(cues.low, label.end(), cues.end):
        return Status.UNCERTAIN, "label-value"
    return None


def _within(span: Span, scope: Span) -> bool:
    return span[0] >= scope[0] and span[1] <= scope[1]
