"""The registrar alone: whatever a power failure or a person left in the storage root, the rest is registered."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_services.scp.storage.registrar import Registrar, Wake
from dicom_services.scp.storage.spool import Incoming, Spool
from radir_node.domain.stored import Refusal


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "alone")
    made.prepare()
    yield made
    made.close()


@pytest.fixture
def archive(node):
    """A catalogue in memory; the server it belongs to has another storage root."""
    return node.archive


@contextmanager
def registrar(spool: Spool, archive) -> Iterator[Registrar]:
    wake = Wake()
    yield Registrar(spool, archive, wake, [])
    wake.close()


def publish(spool: Spool, path: Path, data: bytes, *, as_file: bool = False) -> None:
    meta = dcmread(path).file_meta
    part = spool.begin(
        Incoming(
            str(meta.MediaStorageSOPClassUID),
            str(meta.MediaStorageSOPInstanceUID),
            str(meta.TransferSyntaxUID),
            "TEST",
        )
    )
    part.write(memoryview(data))
    if as_file:
        part.path()
    spool.publish(part, "TEST")
    part.close()


def test_cut_note_of_a_refusal(spool, archive):
    """Notes of refusals are not flushed: one that a power failure has emptied holds up nothing."""
    spool.refuse(Refusal("a reason", "TEST", "1.2"))
    (spool.folder / f"{1:020d}-TEST-0123456789ab.json").write_bytes(b"")

    with registrar(spool, archive) as one:
        done = one.register_all()

    assert done
    assert [("a reason", "TEST", "1.2")] == archive.refused
    assert [] == list(spool.folder.glob("*.json"))


def test_foreign_file_in_the_spool(spool, archive, make_file, dataset_bytes):
    """A file that a person has put into the spool is left alone, and holds up nothing."""
    path = make_file()
    (spool.folder / "image.dcm").write_bytes(path.read_bytes())
    publish(spool, path, dataset_bytes(path))

    with registrar(spool, archive) as one:
        done = one.register_all()

    assert done
    assert 1 == len(archive.stored)
    assert (spool.folder / "image.dcm").exists()


@pytest.mark.parametrize("as_file", [False, True], ids=["journal", "file"])
def test_name_without_content(spool, archive, make_file, dataset_bytes, as_file):
    """A name that a power failure has left without content gets its content again from the journal or the spool."""
    path = make_file()
    publish(spool, path, dataset_bytes(path), as_file=as_file)
    with registrar(spool, archive) as one:
        one.register_all()
    (stored,) = archive.stored.values()
    final = spool.root / stored.path
    whole = final.read_bytes()
    final.unlink()
    final.write_bytes(b"")

    publish(spool, path, dataset_bytes(path), as_file=as_file)
    with registrar(spool, archive) as one:
        done = one.register_all()

    assert done
    assert whole == final.read_bytes()
    assert [] == list((spool.root / "incoming").iterdir())
    assert [] == list(spool.quarantine.iterdir())
