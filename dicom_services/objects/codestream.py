"""Reads the picture size that a compressed frame declares, so that no decoder allocates more than the header says.

Called by pixels before a native decoder sees the bytes. JPEG and JPEG-LS: ISO/IEC 10918-1 B.2.2 and 14495-1 C.2.2;
JPEG 2000 and HTJ2K: ISO/IEC 15444-1 A.5.1.
"""

_START_OF_FRAME = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xDA)})
_SIZ = b"\xff\x4f\xff\x51"
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_SEARCHED = 1 << 16


def coded_size(frame: bytes) -> tuple[int, int] | None:
    """Return (rows, columns) of a JPEG, JPEG-LS, JPEG 2000 or HTJ2K frame; None when its header cannot be read."""
    if frame.startswith((_SIZ, _JP2_SIGNATURE)):
        return _jpeg2000_size(frame[:_SEARCHED])
    if frame.startswith(b"\xff\xd8"):
        return _jpeg_size(frame[:_SEARCHED])
    return None


def _jpeg2000_size(start: bytes) -> tuple[int, int] | None:
    siz = start.find(_SIZ) + 8
    if siz < 8 or len(start) < siz + 16:
        return None
    width, height, left, top = (int.from_bytes(start[siz + i : siz + i + 4], "big") for i in (0, 4, 8, 12))
    return height - top, width - left


def _jpeg_size(start: bytes) -> tuple[int, int] | None:
    position = 2
    while position + 9 <= len(start):
        if start[position] != 0xFF:
            return None
        marker = start[position + 1]
        if marker == 0xFF:
            position += 1
        elif marker in _WITHOUT_LENGTH:
            position += 2
        elif marker in _START_OF_FRAME:
            height, width = (int.from_bytes(start[position + i : position + i + 2], "big") for i in (5, 7))
            return height, width
        else:
            position += 2 + int.from_bytes(start[position + 2 : position + 4], "big")
    return None
