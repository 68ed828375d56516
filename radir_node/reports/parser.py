"""The rule parser: report text to tags, each with its evidence. Called by ingest, learning and evaluation.

Text to sections, to sentences, to clauses; in each, finding phrases are matched, judged by the cues of their sentence
and linked to the sites of their clause. The words are data (lexicon/); a change of rules or words raises
PARSER_VERSION, which tells the catalogue to parse again.
"""

from collections.abc import Iterator, Sequence

from radir_node.domain.report import Status, Tag
from radir_node.reports.anatomy import Clause, FindingMention, find_sites, link, split_clauses
from radir_node.reports.context import SentenceCues, judge
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


def _sentence_tags(low: str, start: int, end: int, lexicon: Lexicon) -> Iterator[Tag]:
    phrases = lexicon.finding_phrases.find(low, start, end)
    if not phrases:
        return
    cues = SentenceCues.of(low, start, end, lexicon)
    judged: dict[tuple[int, int], tuple[Status, str]] = {}
    mentions = []
    for begin, stop, meaning in phrases:
        denied = meaning.startswith(_DENIED)
        judged[begin, stop] = (Status.ABSENT, "denied") if denied else judge(cues, (begin, stop))
        mentions.append(FindingMention(begin, stop, lexicon.findings[meaning.removeprefix(_DENIED)]))
    for clause in split_clauses(low, start, end, lexicon):
        inside = [m for m in mentions if clause.start <= m.start < clause.end]
        for mention, ref, rule in _linked(inside, low, clause, lexicon):
            status, why = judged[mention.start, mention.end]
            yield Tag(
                finding=mention.finding.id,
                anatomy=ref,
                status=status,
                start=mention.start,
                end=mention.end,
                sentence_start=start,
                sentence_end=end,
                rule=f"{why}/{rule}",
            )


def _linked(
    mentions: Sequence[FindingMention], low: str, clause: Clause, lexicon: Lexicon
) -> list[tuple[FindingMention, str, str]]:
    if not mentions:
        return []
    sites = find_sites(low, clause, lexicon)
    return [(mention, ref.key, rule) for mention, ref, rule in link(mentions, sites, low, clause, lexicon)]
