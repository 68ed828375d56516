"""A PDF gives its text layer or one clear reason, and never harms the process that asked for it."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radir_node.documents import pdf as pdf_module
from radir_node.documents import plain
from radir_node.documents.pdf import pdf_text
from radir_node.errors import UnreadableReport

Pdf = Callable[..., bytes]


def test_text_layer(pdf: Pdf) -> None:
    """Pages are apart by a blank line."""
    assert "No pneumothorax.\n\nPage two." == pdf_text(pdf("No pneumothorax.", "Page two."))


def test_scan(pdf: Pdf) -> None:
    """A PDF without text layer has no text; that is no fault."""
    assert "" == pdf_text(pdf("", ""))


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_encrypted(encrypted_pdf: Callable[[str, str], bytes], algorithm: str) -> None:
    """A PDF that needs a password says so; one that only forbids printing is read."""
    with pytest.raises(UnreadableReport, match=r"^the PDF is encrypted$"):
        pdf_text(encrypted_pdf("secret", algorithm))
    assert "No pneumothorax." == pdf_text(encrypted_pdf("", algorithm))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "the PDF is empty"),
        (b"%PDF-1.4 broken", "the PDF cannot be read"),
        (b"\0" * 2000, "the PDF is larger than 0 MiB"),
    ],
)
def test_broken(monkeypatch: pytest.MonkeyPatch, payload: bytes, reason: str) -> None:
    """What is empty, broken or too large is refused."""
    monkeypatch.setattr(plain, "MAX_DOCUMENT_BYTES", 1000)

    with pytest.raises(UnreadableReport) as refused:
        pdf_text(payload)

    assert reason == str(refused.value)


def test_too_many_pages(pdf: Pdf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many pages are refused before any is read."""
    monkeypatch.setattr(pdf_module, "MAX_PAGES", 2)

    with pytest.raises(UnreadableReport, match="more than 2 pages"):
        pdf_text(pdf("1", "2", "3"))


def test_long_text(pdf: Pdf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long text is cut, as that of other documents."""
    monkeypatch.setattr(pdf_module, "MAX_CHARACTERS", 8)

    assert "No pneum" == pdf_text(pdf("No pneumothorax.", "Page two."))


def test_flate_bomb(pdf_bomb: bytes) -> None:
    """Some kilobytes that unpack to 400 megabytes cost this process nothing."""
    Path("/proc/self/clear_refs").write_text("5")  # the highest use of memory is counted anew (proc(5))
    before = highest_use_of_memory()

    with pytest.raises(UnreadableReport, match="grows too large when it is unpacked"):
        pdf_text(pdf_bomb)

    assert len(pdf_bomb) < 1 << 20
    assert highest_use_of_memory() - before < 10 << 20


def highest_use_of_memory() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) << 10


def test_memory(flate_pdf: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """What fits no limit of the parser meets that of the kernel."""
    monkeypatch.setattr(pdf_module, "MAX_MEMORY_BYTES", 192 << 20)

    with pytest.raises(UnreadableReport, match=r"too large|cannot be read"):
        pdf_text(flate_pdf(b"(word) Tj " * (6 << 20)))


def test_endless_content(flate_pdf: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that would be read for minutes is given up after its share of the processor."""
    monkeypatch.setattr(pdf_module, "MAX_SECONDS", 1)
    page = flate_pdf(b"BT /F1 12 Tf " + b"1 0 0 1 7 7 Tm (word) Tj " * 2_000_000 + b"ET")
    begin = time.monotonic()

    with pytest.raises(UnreadableReport, match="takes more than 1 s to read"):
        pdf_text(page)

    assert time.monotonic() - begin < 10


def test_crash_of_the_interpreter(pdf: Pdf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A parser that is killed by a file costs that file."""
    crashing = tmp_path / "crashing.py"
    crashing.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr(pdf_module.pdf_interpreter, "__file__", str(crashing))

    with pytest.raises(UnreadableReport, match=r"cannot be read \(its interpreter crashed\)"):
        pdf_text(pdf("No pneumothorax."))


def test_no_secret_and_no_file_goes_along(pdf: Pdf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The interpreter sees neither the environment of the node nor its open files, and writes no file."""
    telling = tmp_path / "telling.py"
    telling.write_text("import os\nprint(sorted(os.environ), len(os.listdir('/proc/self/fd')), end='')\n")
    monkeypatch.setattr(pdf_module.pdf_interpreter, "__file__", str(telling))
    monkeypatch.setenv("RADIR_DATABASE__URL", "secret")
    with (tmp_path / "open").open("w") as held:
        os.set_inheritable(held.fileno(), True)

        told = pdf_text(pdf("No pneumothorax."))

    assert "RADIR" not in told
    assert told.endswith(" 4")  # standard streams, and the folder that is listed


def test_shared_libraries_of_python(pdf: Pdf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Python whose library lies elsewhere is found, and one that is limited already is read within its limits."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    telling = tmp_path / "telling.py"
    telling.write_text("import os\nprint(os.environ['LD_LIBRARY_PATH'], end='')\n")
    limits = {"memory_bytes": 1 << 30, "seconds": 20, "output_bytes": 1 << 20, "pages": 5, "characters": 1000}
    command = ["sh", "-c", 'ulimit -t 10; ulimit -f 1000; exec "$@"', "sh", sys.executable, "-P"]

    said = subprocess.run(
        [*command, pdf_module.pdf_interpreter.__file__, json.dumps(limits)],
        input=pdf("No pneumothorax."),
        capture_output=True,
        check=True,
    ).stdout
    monkeypatch.setattr(pdf_module.pdf_interpreter, "__file__", str(telling))

    assert b"No pneumothorax." == said
    assert str(tmp_path) == pdf_text(pdf("x"))


def test_parser_is_not_in_this_process() -> None:
    """Whoever asks for the text of a PDF does not import what takes it apart."""
    asked = "import sys, radir_node.documents.pdf; print('pypdf' in sys.modules)"

    assert "False\n" == subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout


@given(st.binary(max_size=300), st.integers(0, 500))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage(pdf: Pdf, noise: bytes, at: int) -> None:
    """A PDF with any damage gives a text or a reason, and nothing else."""
    whole = pdf("No pneumothorax.")
    try:
        assert isinstance(pdf_text(whole[:at] + noise + whole[at:]), str)
    except UnreadableReport as error:
        assert "\n" not in str(error)
