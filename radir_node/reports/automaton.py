"""All phrases of a lexicon matched at once, word by word. Built by the lexicon, driven by the parser.

Phrases become one non-deterministic automaton over words, which is made deterministic as far as texts ask for it
(subset construction; states and steps are remembered). Reading a word then costs one look-up in a dictionary, whatever
the number of phrases.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

Item = str | int | tuple["Items", ...]
"""A character, a gap of so many words at most, or the alternatives of a group."""
Items = tuple[Item, ...]
Hit = tuple[int, int, str]
"""(first word, word after the last, meaning)."""

_GAP = 3
"""Most words that "~" stands for."""
_ANY = "~"
_MARKS = re.compile(r"\\\?|[^\w\s()|?*~#\\-]")
"""Punctuation is a word of its own, in texts as in phrases; a question mark is written with a backslash."""
_STEPS_REMEMBERED = 20_000
"""Steps kept per state. Numbers and misspellings never end, so a state that has this many forgets them."""


@dataclass(eq=False, slots=True)
class _Node:
    """A place in the phrases: what may follow, and what has been said when nothing does."""

    words: dict[str, list["_Node"]] = field(default_factory=dict)
    stems: dict[str, list["_Node"]] = field(default_factory=dict)
    patterns: list[tuple[re.Pattern[str], "_Node"]] = field(default_factory=list)
    anything: list["_Node"] = field(default_factory=list)
    meanings: list[tuple[int, str]] = field(default_factory=list)
    """(kind, meaning) of the phrases that may end here."""

    def lead(self, word: str, following: "_Node") -> None:
        """Let a word of a phrase, which may be a stem or a pattern, lead to a place."""
        if word == _ANY:
            self.anything.append(following)
        elif "#" in word:
            pattern = re.escape(word).replace(r"\#", r"\d+").replace(r"\*", r"\w*")
            self.patterns.append((re.compile(pattern), following))
        elif word.endswith("*"):
            self.stems.setdefault(word[:-1], []).append(following)
        else:
            self.words.setdefault(word, []).append(following)


class _State:
    """A set of places that the same words lead to, their ways on put together."""

    __slots__ = ("_anything", "_lengths", "_patterns", "_stems", "_words", "meanings", "steps")

    def __init__(self, nodes: Sequence[_Node]) -> None:
        self.steps: dict[str, _State | None] = {}
        first: dict[int, str] = {}
        for node in nodes:
            for kind, meaning in node.meanings:
                first.setdefault(kind, meaning)
        self.meanings = tuple(first.items())
        self._words = _together(node.words for node in nodes)
        self._stems = _together(node.stems for node in nodes)
        self._lengths = sorted({len(stem) for stem in self._stems})
        self._patterns = [way for node in nodes for way in node.patterns]
        self._anything = [following for node in nodes for following in node.anything]

    def after(self, word: str) -> tuple[_Node, ...]:
        """List the places that a word leads to, those of the exact word first."""
        nodes = list(self._words.get(word, ()))
        for length in self._lengths:
            if length <= len(word) and (found := self._stems.get(word[:length])):
                nodes += found
        nodes += [node for pattern, node in self._patterns if pattern.fullmatch(word)]
        if self._anything and word[0].isalnum():
            nodes += self._anything
        return tuple(dict.fromkeys(nodes))


def _together(ways: Iterable[dict[str, list[_Node]]]) -> dict[str, list[_Node]]:
    merged: dict[str, list[_Node]] = {}
    for way in ways:
        for word, nodes in way.items():
            merged.setdefault(word, []).extend(nodes)
    return merged


class Automaton:
    """Finds phrases of several kinds in a list of words."""

    def __init__(self, kinds: int, phrases: Iterable[tuple[str, int, str]], overlapping: Collection[int] = ()) -> None:
        """Take phrases (syntax: lexicon/README.md) with their kind, of so many kinds, and meaning.

        Hits of a kind in `overlapping` may begin inside another. Raises ValueError for a phrase that cannot be read.
        """
        root = _Node()
        for phrase, kind, meaning in phrases:
            _add(phrase, kind, meaning, root)
        self._start = root
        self._root = _State((root,))
        self._states: dict[tuple[_Node, ...], _State] = {}
        self._kinds = range(kinds)
        self._overlapping = overlapping

    def begins_with(self, word: str) -> bool:
        """Tell whether a phrase may begin with the word."""
        return self._step(self._root, word) is not None

    def vocabulary(self) -> tuple[frozenset[str], frozenset[str]]:
        """Give every word that stands in a phrase, and every stem; digits are left out."""
        words: set[str] = set()
        stems: set[str] = set()
        todo, seen = [self._start], {self._start}
        while todo:
            node = todo.pop()
            words.update(node.words)
            stems.update(node.stems)
            further = {following for nodes in (*node.words.values(), *node.stems.values()) for following in nodes}
            further.update(node.anything, (following for _, following in node.patterns))
            todo += further - seen
            seen |= further
        return frozenset(words), frozenset(stems)

    def find(self, words: Sequence[str]) -> list[list[Hit]]:
        """List the hits of each kind, left to right, the longest at each place.

        Among equals one whose last word is spelled out wins over one that gives its stem, then the phrase added first.
        """
        hits: list[list[Hit]] = [[] for _ in self._kinds]
        free = [0 for _ in self._kinds]
        first = self._root.steps
        for start, word in enumerate(words):
            state = first[word] if word in first else self._step(self._root, word)
            if state is None:
                continue
            for kind, (end, meaning) in self._longest(state, words, start + 1).items():
                if start >= free[kind]:
                    hits[kind].append((start, end, meaning))
                    if kind not in self._overlapping:
                        free[kind] = end
        return hits

    def _longest(self, state: "_State | None", words: Sequence[str], end: int) -> dict[int, tuple[int, str]]:
        found: dict[int, tuple[int, str]] = {}
        while state is not None:
            for kind, meaning in state.meanings:
                found[kind] = end, meaning
            if end == len(words):
                break
            word = words[end]
            steps = state.steps
            state = steps[word] if word in steps else self._step(state, word)
            end += 1
        return found

    def _step(self, state: _State, word: str) -> "_State | None":
        if word not in state.steps:
            if len(state.steps) >= _STEPS_REMEMBERED:
                state.steps.clear()
            nodes = state.after(word)
            if nodes and nodes not in self._states:
                self._states[nodes] = _State(nodes)
            state.steps[word] = self._states[nodes] if nodes else None
        return state.steps[word]


def _add(phrase: str, kind: int, meaning: str, root: _Node) -> None:
    known: dict[Items, _Node] = {}
    for word, rest in _first_words(_read(phrase)):
        if not word or word == _ANY:
            raise ValueError(f"phrase {phrase!r} begins with nothing")
        root.lead(word, _compile(rest, kind, meaning, known))


def _compile(rest: Items, kind: int, meaning: str, known: dict[Items, _Node]) -> _Node:
    """Make the node of what is left of a phrase; equal rests share one."""
    if rest in known:
        return known[rest]
    node = known[rest] = _Node()
    for word, following in _first_words(rest):
        if word:
            node.lead(word, _compile(following, kind, meaning, known))
        else:
            node.meanings.append((kind, meaning))
    return node


def _first_words(items: Items) -> Iterator[tuple[str, Items]]:
    """Yield every word that items can begin with, and what follows it; an empty word where they can be at their end."""
    open_ends: list[tuple[str, Items]] = [("", items)]
    while open_ends:
        word, todo = open_ends.pop()
        if not todo:
            yield word, ()
            continue
        head, rest = todo[0], todo[1:]
        if isinstance(head, tuple):
            open_ends += [(word, (*alternative, *rest)) for alternative in head]
        elif isinstance(head, int):
            open_ends.append(("", rest))
            yield _ANY, (head - 1, *rest) if head > 1 else rest
        elif head == " " and word:
            yield word, rest
        else:
            open_ends.append((word + head.strip(), rest))


def _read(phrase: str) -> Items:
    spaced = _MARKS.sub(r" \g<0> ", phrase.replace("-", " "))
    items, end = _read_items(spaced, 0)
    if end != len(spaced):
        raise ValueError(f"phrase {phrase!r}: a bracket or bar stands outside a group")
    return items


def _read_items(phrase: str, place: int) -> tuple[Items, int]:
    """Read up to a bar, a closing bracket, or the end."""
    items: list[Item] = []
    while place < len(phrase) and phrase[place] not in "|)":
        char = phrase[place]
        if char == "(":
            group, place = _read_group(phrase, place + 1)
            items.append(group)
        elif char == "?":
            items[-1] = ((items[-1],), ())
        elif char == "\\":
            place += 1
            items.append(phrase[place])
        else:
            items.append(_GAP if char == "~" else char)
        place += 1
    return tuple(items), place


def _read_group(phrase: str, place: int) -> tuple[tuple[Items, ...], int]:
    """Read alternatives up to the bracket that closes them, and give its place."""
    alternatives = []
    while True:
        items, place = _read_items(phrase, place)
        alternatives.append(items)
        if place == len(phrase):
            raise ValueError(f"phrase {phrase!r}: a bracket is not closed")
        if phrase[place] == ")":
            return tuple(alternatives), place
        place += 1
