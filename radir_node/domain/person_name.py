"""Person names (VR PN) without case and accents, as patients are searched for (PS3.4 C.2.2.2.1.1).

The catalogue stores the folded name beside the name, and C-FIND compares folded text with folded text.
"""

import re
import unicodedata

_VOICED = "\u3099\u309a"
"""Combining voiced marks of kana: with them it is another consonant, not an accent."""
_INDIC_AND_THAI = range(0x0700, 0x1AB0)
"""Combining marks that are vowels and tones: without them it is another name."""

_LETTERS = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i"})
"""Letters that Unicode does not take apart, as people write them on another keyboard."""

_UNTIDY = re.compile(r"[ ^][\^=]|[\^=](?: |$)|^ | $")
_DELIMITER = re.compile(r" *([\^=]) *")
_EMPTY_COMPONENTS = re.compile(r"\^+(?==|$)")


def folded(text: str) -> str:
    """Return the text in lower case without diacritics: "MÜLLER^Jörg" and "Muller^Jorg^^" fold to the same.

    Base letters of every script stay, composed again (NFC), so that Hangul and kana keep their number of characters;
    full-width and half-width forms become the usual ones. Spaces around delimiters and empty components and component
    groups at the end go, as they say nothing (PS3.5 6.2.1.1).
    """
    plain = text.lower() if text.isascii() else _without_accents(text)
    if not _UNTIDY.search(plain):
        return plain
    return _EMPTY_COMPONENTS.sub("", _DELIMITER.sub(r"\1", plain).strip()).rstrip("=")


def _without_accents(text: str) -> str:
    compatible = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
    apart = unicodedata.normalize("NFKD", compatible)
    return unicodedata.normalize("NFC", "".join(character for character in apart if not _is_accent(character)))


def _is_accent(character: str) -> bool:
    return (
        unicodedata.category(character) == "Mn" and character not in _VOICED and ord(character) not in _INDIC_AND_THAI
    )
