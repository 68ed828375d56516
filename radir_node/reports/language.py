"""Tell whether a text is written in a language that has a lexicon. Used by the parser: no guessed tags."""

import re

from radir_node.reports.lexicon import stop_words

_WORD = re.compile(r"[^\W\d_]+")
_FOREIGN_WORDS = 3
"""So many different small words of another language, and more of them than of this one, make a text foreign."""


def is_written_in(low: str, language: str) -> bool:
    """Tell whether a lower-cased text is in the language, or too short to tell."""
    words = set(_WORD.findall(low))
    counts = {code: len(words & small) for code, small in stop_words().items()}
    foreign = max((count for code, count in counts.items() if code != language), default=0)
    return foreign < _FOREIGN_WORDS or counts.get(language, 0) >= foreign
