"""The rule parser: report text to tags, each with its evidence. Called by ingest, learning and evaluation.

Text to sections, to sentences, to clauses; in each, finding phrases are matched, judged by the cues of their sentence
and linked to the sites of their clause. The words are data (lexicon/); a change of rules or words raises
PARSER_VERSION, which the catalogue keeps with every report.
"""

from collections.abc import Iterator

from radir_node.domain.report import Status, Tag
from radir_node.reports.anatomy import FindingMention, find_sites, link, split_clauses
from radir_node.reports.context import SentenceCues, Span, judge
from radir_node.reports.language import is_written_in
from radir_node.reports.lexicon import Lexicon, load_lexicon, lowered
from radir_node.reports.sections import split_sections
from radir_node.reports.sentences import split_sentences

PARSER_VERSION = "1"
LANGUAGE = "en"

_DENIED = "-"


def parse(text: str) -> tuple[Tag, ...]:
    """Tag the findings of a report, in text order; text[tag.start:tag.end] is the mention.

    Only findings, impressions, addenda and text without headings speak. A text in a language without lexicon has no
    tags. One mention with several sites yields one tag per site.
    """
    low = lowered(text)
    if not is_written_in(low, LANGUAGE):
        return ()
    lexicon = load_lexicon(LANGUAGE)
    return tuple(
        tag
        for section in split_sections(low, lexicon)
        if section.spoken
        for start, end in split_sentences(text, section.start, section.end)
        for tag in _sentence_tags(low, start, end, lexicon)
    )


def finding_label(finding: str) -> str:
    """Name a finding for people; an id of another lexicon version is shown with blanks for underscores."""
    known = load_lexicon(LANGUAGE).findings.get(finding)
    return known.label if known else finding.replace("_", " ")


def default_site(finding: str) -> str:
    """Give the anatomy key a finding has when its report names none; empty for an unknown finding."""
    known = load_lexicon(LANGUAGE).findings.get(finding)
    return known.site if known else ""


def _sentence_tags(low: str, start: int, end: int, lexicon: Lexicon) -> Iterator[Tag]:
    phrases = [found for found in lexicon.finding_phrases.find(low, start, end) if found[2]]
    if not phrases:
        return
    cues = SentenceCues.of(low, start, end, lexicon)
    judged: dict[Span, tuple[Status, str]] = {}
    mentions = []
    for begin, stop, meaning in phrases:
        denied = meaning.startswith(_DENIED)
        status, why = judged[begin, stop] = (Status.ABSENT, "denied") if denied else judge(cues, (begin, stop))
        finding = lexicon.findings[meaning.removeprefix(_DENIED)]
        mentions.append(FindingMention(begin, stop, finding, status in (Status.PRESENT, Status.UNCERTAIN)))
    for clause in split_clauses(low, start, end, lexicon):
        inside = [mention for mention in mentions if clause.start <= mention.start < clause.end]
        sites = find_sites(cues, clause, inside, lexicon) if inside else ()
        for mention, ref, rule in link(inside, sites, low, clause, lexicon):
            status, why = judged[mention.start, mention.end]
            yield Tag(
                finding=mention.finding.id,
                anatomy=ref.key,
                status=status,
                start=mention.start,
                end=mention.end,
                sentence_start=start,
                sentence_end=end,
                rule=f"{why}/{rule}",
            )
