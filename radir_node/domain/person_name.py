"""Person names (VR PN) without case and accents, as patients are searched for (PS3.4 C.2.2.2.1.1).

The catalogue stores the folded name beside the name, and C-FIND compares folded text with folded text.
"""

import unicodedata

_VOICED = "\u3099\u309a"
"""Combining voiced marks of kana: with them it is another consonant, not an accent."""


def folded(text: str) -> str:
    """Return the text in lower case without diacritics: "MÜLLER^Jörg" and "Muller^Jorg" fold to the same.

    Base letters of every script stay, composed again (NFC), so that Hangul and kana keep their number of characters.
    """
    apart = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(character for character in apart if not _is_accent(character)))


def _is_accent(character: str) -> bool:
    return unicodedata.category(character) == "Mn" and character not in _VOICED
