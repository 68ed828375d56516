"""Writers of small documents."""

import io
import zlib
from collections.abc import Callable

import pytest
from pypdf import PdfReader, PdfWriter


def written_pdf(*streams: bytes, filters: str = "") -> bytes:
    """Write a PDF (ISO 32000-1 7.5) whose pages have the given content streams, as they stand."""
    pages = range(len(streams))
    kids = " ".join(f"{4 + 2 * page} 0 R" for page in pages)
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: f"<< /Type /Pages /Count {len(streams)} /Kids [{kids}] >>".encode(),
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    }
    for page, stream in zip(pages, streams, strict=True):
        number = 4 + 2 * page
        resources = "/MediaBox [0 0 400 200] /Resources << /Font << /F1 3 0 R >> >>"
        objects[number] = f"<< /Type /Page /Parent 2 0 R {resources} /Contents {number + 1} 0 R >>".encode()
        head = f"<< /Length {len(stream)} {filters} >>".encode()
        objects[number + 1] = head + b"\nstream\n" + stream + b"\nendstream"
    out = io.BytesIO(b"%PDF-1.4\n")
    out.seek(0, io.SEEK_END)
    at = {}
    for number, body in objects.items():
        at[number] = out.tell()
        out.write(b"%d 0 obj\n" % number + body + b"\nendobj\n")
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.writelines(b"%010d 00000 n \n" % at[number] for number in sorted(objects))
    out.write(b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start))
    return out.getvalue()


@pytest.fixture(scope="session")
def pdf() -> Callable[..., bytes]:
    """Write a PDF with one line of text on each page."""
    return lambda *lines: written_pdf(*(f"BT /F1 12 Tf 20 100 Td ({line}) Tj ET".encode() for line in lines))


@pytest.fixture(scope="session")
def flate_pdf() -> Callable[[bytes], bytes]:
    """Write a PDF of one page whose content stream is compressed."""
    return lambda content: written_pdf(zlib.compress(content, 9), filters="/Filter /FlateDecode")


@pytest.fixture(scope="session")
def pdf_bomb() -> bytes:
    """A PDF of one page whose content stream unpacks to 400 MiB, made without holding them."""
    packer = zlib.compressobj(9)
    stream = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(400)) + packer.flush()
    return written_pdf(stream, filters="/Filter /FlateDecode")


@pytest.fixture(scope="session")
def encrypted_pdf(pdf: Callable[..., bytes]) -> Callable[[str, str], bytes]:
    """Encrypt a PDF that says "No pneumothorax." with a password and an algorithm of pypdf."""

    def write(password: str, algorithm: str) -> bytes:
        writer = PdfWriter(PdfReader(io.BytesIO(pdf("No pneumothorax."))))
        writer.encrypt(password, owner_password="owner", algorithm=algorithm)
        target = io.BytesIO()
        writer.write(target)
        return target.getvalue()

    return write
