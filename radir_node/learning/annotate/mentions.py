"""Reports to what they say at each node: read, parsed and reduced to entities, one report at a time."""

import hashlib
import heapq
import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from radir_node.domain.report import Tag
from radir_node.errors import UserError
from radir_node.learning.annotate.nodes import WHOLE, AnatomyNode
from radir_node.learning.annotate.source import SourceReport, spoken_text
from radir_node.reports.lexicon import lies_in
from radir_node.reports.parser import parse_report
from radir_node.reports.similarity.entities import Entity, entities_of

Entities = tuple[Entity, ...]
Keys = tuple[str, ...]


@dataclass
class Mentions:
    """What all reports of a split say, as entities. Equal ones are held once: an archive repeats itself."""

    nodes: Sequence[AnatomyNode]
    ids: list[str] = field(default_factory=list)
    whole: list[Entities] = field(default_factory=list)
    """Entities of each report."""
    unread: int = 0
    """Reports in a language that has no lexicon."""
    _wanted: tuple[Keys, ...] = ()
    _holders: dict[str, tuple[Keys, ...]] = field(default_factory=dict)
    """Anatomy key of a tag -> those sets of keys that it is at or below one of."""
    _rows: dict[Keys, "array[int]"] = field(default_factory=dict)
    _entities: dict[Keys, list[Entities]] = field(default_factory=dict)
    _held: dict[Entities, Entities] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._wanted = tuple(dict.fromkeys(node.keys for node in self.nodes))

    def table(self, name: str) -> tuple[Sequence[str], Sequence[Entities]]:
        """Give the studies that a node is mentioned in, or all for WHOLE, and what each says there."""
        if name == WHOLE:
            return self.ids, self.whole
        keys = next(node.keys for node in self.nodes if node.name == name)
        return [self.ids[row] for row in self._rows.get(keys, ())], self._entities.get(keys, [])

    def add(self, name: str, text: str, *, is_foreign: bool = False) -> None:
        """Parse one report and take in what it says. is_foreign: see SourceReport."""
        parsed = parse_report(text)
        self.unread += is_foreign or not parsed.language
        row = len(self.ids)
        self.ids.append(name)
        self.whole.append(self._hold(entities_of(parsed.tags)))
        for keys, tags in self._by_keys(parsed.tags).items():
            entities = entities_of(tags, keys)
            if entities:
                self._rows.setdefault(keys, array("I")).append(row)
                self._entities.setdefault(keys, []).append(self._hold(entities))

    def _by_keys(self, tags: Iterable[Tag]) -> dict[Keys, list[Tag]]:
        found: dict[Keys, list[Tag]] = {}
        for tag in tags:
            if tag.anatomy not in self._holders:
                self._holders[tag.anatomy] = tuple(
                    keys for keys in self._wanted if any(lies_in(tag.anatomy, key) for key in keys)
                )
            for keys in self._holders[tag.anatomy]:
                found.setdefault(keys, []).append(tag)
        return found

    def _hold(self, entities: Entities) -> Entities:
        return self._held.setdefault(entities, entities)


def read_mentions(reports: Iterable[SourceReport], nodes: Sequence[AnatomyNode], captions: Path) -> Mentions:
    """Write the captions of all reports, img_path, text and name a line, and take in what they say at some nodes.

    The text is what speaks of the images. Raises UserError for an id that comes twice, OSError.
    """
    mentions, seen = Mentions(nodes), set[str]()
    with captions.open("w", encoding="utf-8") as handle:
        for report in reports:
            if report.id in seen:
                raise UserError(f"{report.where}: the id of an earlier row")
            seen.add(report.id)
            text = spoken_text(report.text)
            handle.write(json.dumps({"img_path": report.image, "text": text, "name": report.id}, ensure_ascii=False))
            handle.write("\n")
            mentions.add(report.id, text, is_foreign=report.is_foreign)
    return mentions


def draw(reports: Iterable[SourceReport], most: int) -> Iterator[SourceReport]:
    """Draw so many reports by the hash of their id, in their order; all where `most` is 0 or there are no more."""
    if most == 0:
        return iter(reports)
    drawn = heapq.nsmallest(most, enumerate(reports), key=lambda pair: hashlib.sha256(pair[1].id.encode()).digest())
    return (report for _, report in sorted(drawn, key=lambda pair: pair[0]))
