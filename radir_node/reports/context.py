"""Decide whether a mentioned finding is there, and what has become of it since the last time. Used by the parser.

Status: present, absent, uncertain, resolved (it was there) or historical (told of the past). One mention is judged from
the cues of its own sentence, in the order of `judge`. The cues are data (lexicon/<language>/context.yaml).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from radir_node.domain.report import Status
from radir_node.reports.automaton import Hit
from radir_node.reports.lexicon import AFTER, BEFORE, BREAK, CHANGE, PSEUDO, Lexicon

Span = tuple[int, int]
"""Of words."""

_REACH_AFTER = 12
_REACH_NEGATION_AFTER = 8
_REACH_UNCERTAIN_BEFORE = 10
_REACH_CHANGE = 12
_REACH_QUERY = 3
_REACH_CHOICE = 1
_REACH_LABEL = 5
"""Words between a mention and a cue that can still speak of it."""
_SCOPE_ENDS = frozenset(";:")
_LABEL_ENDS = frozenset((":", "-", "–", "—"))
_LISTING = frozenset((",", "/", "and", "or", "nor"))
_LIST_ADJECTIVES = 2
"""Words between two things of a list, beside those that join them ("mass, active infiltration")."""
_FAR = 1 << 30

_RULES: tuple[tuple[str, Status, int], ...] = (
    ("pre_resolved", Status.RESOLVED, _FAR),
    ("post_resolved", Status.RESOLVED, _REACH_NEGATION_AFTER),
    ("hypothetical", Status.UNCERTAIN, _REACH_UNCERTAIN_BEFORE),
    ("pre_negation", Status.ABSENT, _FAR),
    ("pre_historical", Status.HISTORICAL, _FAR),
    ("post_historical", Status.HISTORICAL, _REACH_NEGATION_AFTER),
    ("post_negation", Status.ABSENT, _REACH_NEGATION_AFTER),
    ("pre_doubt", Status.UNCERTAIN, _REACH_UNCERTAIN_BEFORE),
    ("post_query", Status.UNCERTAIN, _REACH_QUERY),
    ("post_doubt", Status.UNCERTAIN, _REACH_AFTER),
    ("pre_alternative", Status.UNCERTAIN, _REACH_UNCERTAIN_BEFORE),
    ("post_alternative", Status.UNCERTAIN, _REACH_AFTER),
    ("post_choice", Status.UNCERTAIN, _REACH_CHOICE),
    ("pre_probable", Status.UNCERTAIN, _REACH_UNCERTAIN_BEFORE),
    ("post_probable", Status.UNCERTAIN, _REACH_AFTER),
)
"""(group of cues, status it gives, reach in words); the first that holds decides."""
_RANKS = {group: (rank, reach) for rank, (group, _, reach) in enumerate(_RULES)}


@dataclass(slots=True)
class Cues:
    """The cues of one sentence, found once for all its mentions."""

    words: Sequence[str]
    breaks: list[Span]
    """Where the scope of cues ends."""
    open_questions: list[Span]
    """Phrases that look like a negation and leave the matter open ("cannot exclude")."""
    before: list[Hit]
    after: list[Hit]
    """Cues that speak of what follows and of what precedes, without those that only look like one ("no change in")."""
    changes: list[Hit]
    has_labels: bool
    """Whether the sentence has a mark that may stand between a label and its value."""

    def scope(self, mention: Span) -> Span:
        """Give the words between the nearest breaks around a mention."""
        start, end = mention
        if not self.breaks:
            return 0, len(self.words)
        first = max((stop for _, stop in self.breaks if stop <= start), default=0)
        return first, min((begin for begin, _ in self.breaks if begin >= end), default=len(self.words))


def find_cues(words: Sequence[str], hits: Sequence[list[Hit]], denials: Sequence[Hit] = ()) -> Cues:
    """Sort the hits of a sentence into cues that hold and what limits them.

    denials: phrases that deny a finding of their own ("heart size is normal"); their words are no cue for others.
    """
    pseudo = hits[PSEUDO]
    before, after = hits[BEFORE], hits[AFTER]
    if pseudo:
        before, after = ([cue for cue in cues if not _overlaps(cue, pseudo)] for cues in (before, after))
    if denials:
        before, after = ([cue for cue in cues if not _within(cue, denials)] for cues in (before, after))
    breaks = []
    if not _SCOPE_ENDS.isdisjoint(words):
        breaks = [(index, index + 1) for index, word in enumerate(words) if word in _SCOPE_ENDS]
    if hits[BREAK]:
        breaks += [hit[:2] for hit in hits[BREAK] if not _within(hit, (*before, *after))]
    questions = [(start, end) for start, end, group in pseudo if group == "pseudo_uncertain"]
    return Cues(words, breaks, questions, before, after, hits[CHANGE], not _LABEL_ENDS.isdisjoint(words))


def list_ends(words: Sequence[str], mentions: Sequence[Hit]) -> list[int]:
    """Tell for each mention, left to right, where the list ends that it stands in; alone, it is a list of one."""
    ends: list[int] = []
    for index in reversed(range(len(mentions))):
        end = mentions[index][1]
        between = words[end : mentions[index + 1][0]] if ends else ()
        others = sum(word not in _LISTING for word in between)
        ends.append(ends[-1] if others < len(between) and others <= _LIST_ADJECTIVES else end)
    return ends[::-1]


def judge(
    cues: Cues, mention: Span, lexicon: Lexicon, *, list_end: int = 0, own_cues: bool = True
) -> tuple[Status, str]:
    """Give the status of a mention and the name of the rule that decided it. The first rule that holds wins.

    list_end: where the list ends that the mention stands in ("mass, nodule and effusion were not seen"); own_cues:
    whether cues among the words of the mention speak of it, as in "heart is not enlarged".
    """
    label = _label_value(cues.words, mention[1], lexicon) if cues.has_labels else None
    if label:
        return (Status.ABSENT if label == "label_absent" else Status.UNCERTAIN), "label-value"
    if not (cues.before or cues.after or cues.open_questions):
        return Status.PRESENT, "stated"
    first, last = cues.scope(mention)
    if any(first <= a and b <= last and _asks_about(cues.words, mention, a, b) for a, b in cues.open_questions):
        return Status.UNCERTAIN, "pseudo-negation"
    until = mention[1] if own_cues else mention[0]
    near = [(mention[0] - start, group) for start, end, group in cues.before if first <= start and end <= until]
    states = first > 0 and cues.words[first - 1] not in _SCOPE_ENDS  # "there is": what follows speaks of the last alone
    subject = mention[1] if states else max(mention[1], list_end)
    near += [
        (end - (subject if start >= subject else mention[1]), group)
        for start, end, group in cues.after
        if mention[1] <= start and end <= last and not (group == "post_query" and "(" in cues.words[mention[1] : start])
    ]
    ranks = [_RANKS[group][0] for far, group in near if far <= _RANKS[group][1]]
    if not ranks:
        return Status.PRESENT, "stated"
    group, status, _ = _RULES[min(ranks)]
    return status, group.replace("_", "-")


def read_change(cues: Cues, mention: Span, clause: Span) -> str:
    """Tell what is said to have changed about a mention: new, increased, stable or decreased; empty for nothing.

    The nearest cue of the clause decides, among equally near ones that before the mention.
    """
    if not cues.changes:
        return ""
    near = [
        ((mention[0] - end, 0) if end <= mention[0] else (start - mention[1], 1), change)
        for start, end, change in cues.changes
        if clause[0] <= start and end <= clause[1] and not (mention[0] <= start and end <= mention[1])
    ]
    (far, _), change = min(near, default=((0, 0), ""))
    return change if far <= _REACH_CHANGE else ""


def _label_value(words: Sequence[str], end: int, lexicon: Lexicon) -> str | None:
    """Read "finding (left): value", where the colon would otherwise end the scope of the value."""
    for index in range(end, min(end + _REACH_LABEL, len(words) - 1)):
        if words[index] in _LABEL_ENDS:
            return lexicon.label_values.get(words[index + 1])
        if words[index] == ";":
            return None
    return None


def _asks_about(words: Sequence[str], mention: Span, start: int, end: int) -> bool:
    """Tell whether an open question asks about a mention: all that follow it, and those just before it."""
    return end <= mention[0] or (mention[1] <= start and "," not in words[mention[1] : start])


def _within(hit: Hit, others: Sequence[Hit]) -> bool:
    return any(start <= hit[0] and hit[1] <= end for start, end, _ in others)


def _overlaps(cue: Hit, pseudo: Sequence[Hit]) -> bool:
    return any(start < cue[1] and cue[0] < end for start, end, _ in pseudo)
