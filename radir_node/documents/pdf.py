"""Reads the text layer of a PDF (ISO 32000) in a process of its own, see pdf_interpreter.

A page that unpacks without end, an endless content stream or a crash of the parser costs that PDF and nothing else.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from radir_node.documents import pdf_interpreter
from radir_node.documents.plain import MAX_CHARACTERS, checked_size, tidy
from radir_node.errors import UnreadableReport

MAX_PAGES = 50
MAX_SECONDS = 20
"""Of the processor; on a busy machine a PDF may take three times as long by the clock."""
MAX_MEMORY_BYTES = 1 << 30
"""Address space of the process, the interpreter and its libraries included."""

_BYTES_OF_A_CHARACTER = 4
_NEEDED = ("PYTHONPATH", "LD_LIBRARY_PATH")
"""Where Python and pypdf lie."""
_TOO_LONG = -signal.SIGXCPU
"""How the kernel ends what passes its processor time."""


def pdf_text(payload: bytes) -> str:
    """Return the text layer of a PDF, pages joined by blank lines; "" of a scan without text.

    Raise UnreadableReport when the PDF is broken, encrypted (a password is needed) or beyond a limit.
    """
    with _memory_file(checked_size(payload, "PDF")) as given, _memory_file() as answer:
        code = _interpret(given, answer)
        if code != 0:
            raise UnreadableReport(_reason(code))
        answer.seek(0)
        return tidy(answer.read().decode())


def _interpret(given: BinaryIO, answer: BinaryIO) -> int:
    limits = {
        "memory_bytes": MAX_MEMORY_BYTES,
        "seconds": MAX_SECONDS,
        "output_bytes": MAX_CHARACTERS * _BYTES_OF_A_CHARACTER,
        "pages": MAX_PAGES,
        "characters": MAX_CHARACTERS,
    }
    command = [sys.executable, "-P", pdf_interpreter.__file__, json.dumps(limits)]
    environment = {name: os.environ[name] for name in _NEEDED if name in os.environ}  # no secrets of the node
    with subprocess.Popen(
        command, stdin=given, stdout=answer, stderr=subprocess.DEVNULL, cwd=Path("/"), env=environment
    ) as process:
        try:
            return process.wait(3 * MAX_SECONDS)
        except BaseException as error:
            process.kill()
            if isinstance(error, subprocess.TimeoutExpired):
                return _TOO_LONG
            raise


def _reason(code: int) -> str:
    known = {
        pdf_interpreter.ENCRYPTED: "the PDF is encrypted",
        pdf_interpreter.PAGES: f"the PDF has more than {MAX_PAGES} pages",
        pdf_interpreter.LARGE: "the PDF grows too large when it is unpacked",
        pdf_interpreter.BROKEN: "the PDF cannot be read",
    }
    if code == _TOO_LONG:
        return f"the PDF takes more than {MAX_SECONDS} s to read"
    return known.get(code, "the PDF cannot be read (its interpreter crashed)")


@contextmanager
def _memory_file(content: bytes = b"") -> Iterator[BinaryIO]:
    """Open a file that lies on no disk: no copy of a report stays behind, and no pipe has to be emptied in time."""
    with os.fdopen(os.memfd_create("radir-pdf"), "w+b") as file:
        file.write(content)
        file.flush()
        file.seek(0)
        yield file
