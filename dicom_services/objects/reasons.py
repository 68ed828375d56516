"""Turns whatever a parser or decoder raised into the one line that people see. Used by every reader of this package."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from radir_node.errors import NotIndexable

_LONGEST = 160
_TROUBLE_OF_THE_MACHINE = frozenset(
    {errno.ENOENT, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ESTALE}
)
_UID = re.compile(r"\b\d+(?:\.\d+){3,}\b")
_PATH = re.compile(r"(?:/[\w.+-]+){2,}")


def one_line(error: BaseException) -> str:
    """Return an error's first line (two where it only announces a list), without UIDs and paths, cut to 160."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1]) or type(error).__name__
    text = _PATH.sub("(path)", _UID.sub("(uid)", said))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


@contextmanager
def refusing(what: str, *, quote: bool = False) -> Iterator[None]:
    """Translate every error of the block to NotIndexable(what).

    quote adds the error's own first line; leave it off where that line could hold a value from the header.
    Malformed input makes pydicom and the decoders raise nearly any class, so all of Exception is translated but what
    the operating system reports of its disks and limits: that is trouble of this machine, not of the file.
    """
    try:
        yield
    except NotIndexable:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _TROUBLE_OF_THE_MACHINE:
            raise
        raise NotIndexable(f"{what} ({one_line(error) if quote else type(error).__name__})") from error
