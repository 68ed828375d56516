"""Interprets one PDF in a process of its own: standard input to the text layer on standard output. Started by pdf.py.

A PDF is a program. Memory, processor time and output are limited by the kernel before a byte of it is read, and
nothing of the node is imported here: whatever a file does to the parser, it does to this process alone.
"""

import io
import json
import resource
import sys

BROKEN, ENCRYPTED, PAGES, LARGE = 10, 11, 12, 13
"""Exit codes; 0 = the text was written."""


def confine(memory_bytes: int, seconds: int, output_bytes: int) -> None:
    """Limit this process for good. No file can be written but the answer, and a crash leaves no image of the memory."""
    _limit(resource.RLIMIT_CORE, 0, 0)
    _limit(resource.RLIMIT_AS, memory_bytes, memory_bytes)
    _limit(resource.RLIMIT_CPU, seconds, seconds + 1)
    _limit(resource.RLIMIT_FSIZE, output_bytes, output_bytes)
    _limit(resource.RLIMIT_NPROC, 0, 0)


def _limit(kind: int, soft: int, hard: int) -> None:
    """Set a limit, or keep to a lower one that this process was given: it may not be raised."""
    given = resource.getrlimit(kind)[1]
    most = hard if given == resource.RLIM_INFINITY else min(hard, given)
    resource.setrlimit(kind, (min(soft, most), most))


def interpret(document: bytes, max_pages: int, max_characters: int) -> tuple[int, str]:
    """Return an exit code and the text of the pages, joined by blank lines; later pages are left out of a long text."""
    from pypdf import PdfReader  # not above: the node imports this module for its codes, and not the parser
    from pypdf.errors import DependencyError, FileNotDecryptedError, LimitReachedError

    pages: list[str] = []
    try:
        reader = PdfReader(io.BytesIO(document))
        if len(reader.pages) > max_pages:
            return PAGES, ""
        for page in reader.pages:
            pages.append(page.extract_text().strip())
            if sum(map(len, pages)) > max_characters:
                break
    except (FileNotDecryptedError, DependencyError):
        return ENCRYPTED, ""
    except (MemoryError, LimitReachedError):
        return LARGE, ""
    except Exception:  # noqa: BLE001  # malformed input makes the parser raise nearly any class
        return BROKEN, ""
    return 0, "\n\n".join(page for page in pages if page)[:max_characters]


def main() -> None:
    """Read standard input, write the text, exit with the code."""
    limits = json.loads(sys.argv[1])
    confine(limits["memory_bytes"], limits["seconds"], limits["output_bytes"])
    code, text = interpret(sys.stdin.buffer.read(), limits["pages"], limits["characters"])
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()
    sys.exit(code)


if __name__ == "__main__":
    main()
