"""Sequence matching of C-FIND keys (PS3.4 C.2.2.2.6): which items of a row's sequence a query asks for.

Called by identifier.py and matches.py. The catalogue is not asked to narrow by them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pydicom.datadict import dictionary_VR

from dicom_services.scp.query.matching import Matcher, predicate

ITEM_KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"ProcedureCodeSequence": ("CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning")}
)
"""Sequence that can be asked for -> attributes of its items, each for matching and return."""


@dataclass(frozen=True, slots=True)
class SequenceKey:
    """One sequence as asked for."""

    keyword: str
    returned: tuple[str, ...]
    """Attributes of the items in the answer."""
    tests: tuple[tuple[str, Callable[[object], bool]], ...]
    """What one item must satisfy; none = universal matching."""

    def accepts(self, row: Mapping[str, object]) -> bool:
        """Say whether at least one item satisfies all keys."""
        return not self.tests or any(True for _ in self._matching(row))

    def items(self, row: Mapping[str, object]) -> list[dict[str, object]]:
        """Return the items that match, with the attributes asked for."""
        return [{keyword: item.get(keyword) for keyword in self.returned} for item in self._matching(row)]

    def _matching(self, row: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
        held = row.get(self.keyword)
        for item in held if isinstance(held, list | tuple) else ():
            if all(holds(item.get(keyword)) for keyword, holds in self.tests):
                yield item


def sequence_key(keyword: str, asked: Sequence[str], match: Mapping[str, Matcher]) -> SequenceKey:
    """Return the key for a sequence; asked: attributes in the item of the query, none = the whole sequence."""
    tests = tuple((item_keyword, predicate(dictionary_VR(item_keyword), key)) for item_keyword, key in match.items())
    return SequenceKey(keyword, tuple(asked) or ITEM_KEYS[keyword], tests)
