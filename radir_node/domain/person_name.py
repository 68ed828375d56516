"""Person names (VR PN) without case and accents, as patients are searched for (PS3.4 C.2.2.2.1.1).

The catalogue stores the folded name beside the name, and C-FIND compares folded text with folded text.
"""

import unicodedata

_LETTERS_OF_THEIR_OWN = "\u3099\u309a"
"""Combining voiced marks of kana: with them it is another consonant, not an accent."""


def folded(text: str) -> str:
    """Return the text in lower case without diacritics: "MÜLLER^Jörg" and "Muller^Jorg" fold to the same.

    Base letters of every script stay, composed again (NFC), so that Hangul and kana keep their number of characters.
    """
    apart = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(character for character in apart if character in _LETTERS_OF_THEIR_OWN or unicodedata.category(character) != "Mn")
    return unicodedata.normalize("NFC", bare)
