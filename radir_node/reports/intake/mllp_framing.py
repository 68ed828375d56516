"""Takes messages out of a stream of bytes (MLLP, HL7 v2.5.1 appendix C.4): no sockets, no waiting."""

from collections.abc import Iterator
from dataclasses import dataclass

START = b"\x0b"
END = b"\x1c\x0d"

_KEPT_OF_AN_OVERLONG_MESSAGE = 4096
"""Enough of its header to answer it."""
_RESTART = START + b"MSH"


def framed(message: bytes) -> bytes:
    """Return a message as one block."""
    return START + message + END


@dataclass(frozen=True, slots=True)
class Block:
    """What stood between a start and an end of block."""

    content: bytes
    is_overlong: bool = False
    """True = only the first 4 KiB were kept."""


class Deframer:
    """The state between the pieces of one stream. Feeding it never fails and never holds more than one message."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._content: bytearray | None = None
        self._is_overlong = False
        self.bytes_outside = 0
        """Bytes so far that were in no block."""
        self.bytes_since_block = 0
        """Those of them that came after the last block."""
        self.abandoned = 0
        """Messages so far that their sender began and did not end before it began another."""

    @property
    def is_inside(self) -> bool:
        """True between the start and the end of a block."""
        return self._content is not None

    @property
    def ends_without_cr(self) -> bool:
        """True where the sender may wait for its answer: it ended its message by FS alone, which nothing may follow.

        That is no end of a block (C.4.1): a message is not taken for whole before its sender says so in full.
        """
        return self._content is not None and self._content.endswith(END[:1])

    def feed(self, piece: bytes) -> Iterator[Block]:
        """Take the next bytes of the stream; yield the blocks that they complete."""
        while piece:
            if self._content is None:
                outside, start, piece = piece.partition(START)
                self.bytes_outside += len(outside)
                self.bytes_since_block += len(outside)
                if start:
                    self._content, self._is_overlong = bytearray(), False
                continue
            seen = len(self._content)
            self._content += piece
            end = self._content.find(END, max(0, seen - 1))
            if end < 0:
                self._shorten()
                return
            piece = bytes(self._content[end + len(END) :])
            yield self._block(bytes(self._content[:end]))

    def _block(self, content: bytes) -> Block:
        self._content, self.bytes_since_block = None, 0
        is_overlong = self._is_overlong or len(content) > self._max_bytes
        again = content.rfind(_RESTART)
        if again >= 0 and not is_overlong:
            self.abandoned += 1
            content = content[again + len(START) :]
        return Block(content[:_KEPT_OF_AN_OVERLONG_MESSAGE] if is_overlong else content, is_overlong)

    def _shorten(self) -> None:
        """Let go of a message that is too long already, but for its beginning and the byte that may begin its end."""
        assert self._content is not None
        self._is_overlong |= len(self._content) > self._max_bytes + 1  # the last byte may begin the end of the block
        if self._is_overlong:
            del self._content[_KEPT_OF_AN_OVERLONG_MESSAGE:-1]
