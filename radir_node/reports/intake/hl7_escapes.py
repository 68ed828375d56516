r"""Turns escape sequences into characters (HL7 v2.5.1 chapter 2.7).

The hl7 package's own unescape is not used: it makes carriage returns of line breaks and underscores of highlighting,
makes room for as many spaces as \.sp<number>\ says, and logs the field, words of the report included, where it does not
know a sequence.
"""

import re
from collections.abc import Mapping

from radir_node.errors import UnreadableReport

MOST_BLANKS = 20
"""Blank lines or blanks that one formatting command makes."""

_BYTES = "X(?:[0-9A-F]{2})*"
_KNOWN = r"[HNFSTREP]|Z\w{0,64}|C[0-9A-F]{4}|M[0-9A-F]{4,6}|\.[A-Z]{2}\s?[+-]?\d{0,18}"
_FORMATS: Mapping[str, str] = {".BR": "\n", ".SP": "\n", ".CE": "\n", ".SK": " "}
"""Commands that show; .FI, .NF, .IN and .TI move text about on paper."""


class Escapes:
    """The escape sequences of one message: its delimiters and the character set of its hexadecimal data."""

    def __init__(self, separators: str, escape: str, codec: str) -> None:
        """Separators are those of field, component, repetition and subcomponent, in this order."""
        self._characters = {**dict(zip("FSRT", separators, strict=True)), "E": escape}
        self._codec = codec
        self._escape = escape
        mark = re.escape(escape)
        sequences = f"(?P<bytes>(?:{mark}{_BYTES}{mark})+)|{mark}(?P<said>{_KNOWN}){mark}"
        self._sequence = re.compile(sequences, re.IGNORECASE | re.ASCII)

    def unescape(self, text: str) -> str:
        """Return the text with its sequences replaced; what only looks like one stays as it is.

        Raise UnreadableReport where bytes are no characters, or a sequence switches to another character set.
        """
        return self._sequence.sub(self._replacement, text) if self._escape in text else text

    def _replacement(self, sequence: re.Match[str]) -> str:
        if sequence["bytes"]:
            return self._bytes(sequence["bytes"])
        said = sequence["said"].upper()
        if said in self._characters:
            return self._characters[said]
        if said[0] in "CM":
            raise UnreadableReport("an escape sequence switches to another character set; that is not read")
        if said[0] == ".":
            shown = _FORMATS.get(said[:3], "")
            count = said[3:].strip(" +-")
            return shown * min(int(count or 1), MOST_BLANKS)
        return ""  # H and N: highlighting; P: truncation; Z: the sender's own

    def _bytes(self, sequences: str) -> str:
        """Decode neighbours together: some senders write each byte of a character as a sequence of its own."""
        digits = sequences.upper().replace(self._escape, "").replace("X", "")
        try:
            return bytes.fromhex(digits).decode(self._codec)
        except UnicodeDecodeError as error:
            raise UnreadableReport("an escape sequence holds bytes that are not in the character set") from error
