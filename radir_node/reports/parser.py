"""The rule parser: report text to tags, each with its evidence. Called by ingest, learning and evaluation.

Text to sections, to sentences, to clauses; in each, phrases are matched, judged by the cues of their sentence and
linked to the sites of their clause. The words are data (lexicon/); a change of rules or words raises PARSER_VERSION,
which the catalogue keeps with every report.
"""

from collections.abc import Iterator
from functools import lru_cache

from radir_node.domain.report import ParsedReport, Status, Tag
from radir_node.reports.automaton import Hit
from radir_node.reports.context import Cues, find_cues, judge, list_ends, read_change
from radir_node.reports.language import is_written_in
from radir_node.reports.lexicon import DENIED, FINDING, PLURAL, Lexicon, load_lexicon, lowered
from radir_node.reports.linking import DENIAL, FindingMention, link, split_clauses
from radir_node.reports.sections import split_sections
from radir_node.reports.sentences import split_sentences, split_words, word_places

PARSER_VERSION = "3"
LANGUAGE = "en"

Reading = tuple[str, str, Status, int, int, str, str]
"""Finding, anatomy key, status, start and end within the sentence, rule, change."""

_NORMAL = DENIED + "abnormality"
"""Said of what is normal: "are normal" denies any abnormality, and whatever finding is named before."""
_SENTENCES_REMEMBERED = 16_384
_LONGEST_REMEMBERED = 300
"""Characters; a longer sentence will hardly come again."""


def parse_report(text: str, language: str = LANGUAGE) -> ParsedReport:
    """Tag the findings of a report, in text order; text[tag.start:tag.end] is the mention.

    Only findings, impressions, addenda and text without headings speak. A text that is not in the language has no tags
    and no language. One mention with several sites yields one tag per site. Raises FileNotFoundError for a language
    without lexicon.
    """
    low, lexicon = lowered(text), load_lexicon(language)
    if not is_written_in(low, language, lexicon):
        return ParsedReport((), "", PARSER_VERSION)
    tags = [
        Tag(finding, anatomy, status, begin + start, begin + end, begin, stop, rule, change)
        for section in split_sections(low, lexicon)
        if section.spoken
        for begin, stop in split_sentences(text, low, section.start, section.end)
        for finding, anatomy, status, start, end, rule, change in _read(low[begin:stop], lexicon)
    ]
    return ParsedReport(tuple(tags), language, PARSER_VERSION)


def parse(text: str) -> tuple[Tag, ...]:
    """Give the tags of a report in the default language; none for a text in another one."""
    return parse_report(text).tags


def status_of(text: str, start: int, end: int, language: str = LANGUAGE) -> tuple[Status, str]:
    """Judge any phrase text[start:end] by the cues around it, not in it, and name the rule. No section is left out.

    Present where no word of a sentence lies there. Raises FileNotFoundError for a language without lexicon.
    """
    low, lexicon = lowered(text), load_lexicon(language)
    for begin, stop in split_sentences(text, low, 0, len(text)):
        words, starts = split_words(low[begin:stop]), word_places(low[begin:stop])
        inside = [i for i, place in enumerate(starts) if start <= begin + place < end]
        if inside:
            cues = find_cues(words, lexicon.phrases.find(words))
            return judge(cues, (inside[0], inside[-1] + 1), lexicon, own_cues=False)
    return Status.PRESENT, "stated"


def finding_label(finding: str) -> str:
    """Name a finding for people; an id of another lexicon version is shown with blanks for underscores."""
    known = load_lexicon(LANGUAGE).findings.get(finding)
    return known.label if known else finding.replace("_", " ")


def finding_kind(finding: str) -> str:
    """Tell whether a tag's finding is a finding, a disease or a device; an id of another version is a finding."""
    known = load_lexicon(LANGUAGE).findings.get(finding)
    return known.kind if known else "finding"


def default_site(finding: str) -> str:
    """Give the anatomy key a finding has when its report names none; empty for an unknown finding."""
    known = load_lexicon(LANGUAGE).findings.get(finding)
    return known.site if known else ""


def _read(sentence: str, lexicon: Lexicon) -> tuple[Reading, ...]:
    """Read one lower-cased sentence. More than half of the sentences of an archive repeat: they are remembered."""
    if len(sentence) > _LONGEST_REMEMBERED:
        return tuple(_readings(sentence, lexicon))
    return _remembered(sentence, lexicon.language)


@lru_cache(maxsize=_SENTENCES_REMEMBERED)
def _remembered(sentence: str, language: str) -> tuple[Reading, ...]:
    return tuple(_readings(sentence, load_lexicon(language)))


def forget_sentences() -> None:
    """Forget the sentences read so far, to measure how long new ones take."""
    _remembered.cache_clear()


def _readings(sentence: str, lexicon: Lexicon) -> Iterator[Reading]:
    words = split_words(sentence)
    hits = lexicon.phrases.find(words)
    named = [hit for hit in hits[FINDING] if hit[2]]
    if not named:
        return
    starts = word_places(sentence)
    denials = [hit for hit in named if hit[2][0] == DENIED and hit[2] != _NORMAL]
    cues = find_cues(words, hits, denials)
    ends = list_ends(words, named) if cues.after else [hit[1] for hit in named]
    mentions = [_mention(hit, end, cues, lexicon) for hit, end in zip(named, ends, strict=True)]
    for clause in split_clauses(words, hits, mentions, cues, lexicon):
        for mention, anatomy, rule in link(clause):
            start, end = starts[mention.start], starts[mention.end - 1] + len(words[mention.end - 1])
            change = read_change(cues, mention.span, (clause.start, clause.end)) if mention.believed else ""
            yield mention.finding.at(anatomy), anatomy, mention.status, start, end, f"{mention.why}/{rule}", change


def _mention(hit: Hit, list_end: int, cues: Cues, lexicon: Lexicon) -> FindingMention:
    start, end, meaning = hit
    finding = lexicon.findings[meaning.removeprefix(DENIED).removesuffix(PLURAL)]
    if meaning.startswith(DENIED):
        return FindingMention(start, end, finding, Status.ABSENT, DENIAL)
    status, why = judge(cues, (start, end), lexicon, list_end=list_end)
    return FindingMention(start, end, finding, status, why, meaning.endswith(PLURAL))
