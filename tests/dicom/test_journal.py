"""The journal: what was appended is read again, whatever died in between, and nothing else is."""

import os
import resource
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_services.scp.storage.journal import Reader, Writer, sweep, unsettled


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "spool"
    made.mkdir()
    return made


def append(writer: Writer, payload: bytes, ae_title: str = "SENDER") -> None:
    writer.append(payload, zlib.crc32(payload), ae_title)


def payloads(reader: Reader) -> list[bytes]:
    return [record.payload() for record in reader.read()]


@given(st.lists(st.binary(max_size=3000), max_size=30))
@settings(max_examples=25)
def test_what_was_appended_is_read(tmp_path_factory, objects):
    """Objects of any length come back in order, with their sender; a second look finds nothing new."""
    folder = tmp_path_factory.mktemp("spool")
    writer, reader = Writer(folder), Reader(folder)

    for payload in objects:
        append(writer, payload, "PACS ONE")
    records = reader.read()

    assert objects == [record.payload() for record in records]
    assert all(record.ae_title == "PACS ONE" for record in records)
    assert reader.read() == []
    writer.close()
    reader.close()


def test_two_writers(folder):
    """Each process appends to a segment of its own; the reader finds both."""
    first, second = Writer(folder), Writer(folder)

    append(first, b"one")
    append(second, b"two")

    assert sorted(payloads(Reader(folder))) == [b"one", b"two"]


def test_unsettled_objects_are_read_again(folder):
    """What a reader did not settle before it died is read by the next, what it did settle is not."""
    writer, reader = Writer(folder), Reader(folder)
    append(writer, b"settled")
    reader.read()
    reader.settle()
    append(writer, b"read, not settled")
    reader.read()
    reader.close()

    assert payloads(Reader(folder)) == [b"read, not settled"]


def test_segments_are_used_again(folder):
    """A full segment whose objects are settled becomes the next one, and its old records are not taken for new."""
    writer, reader = Writer(folder), Reader(folder)
    big = os.urandom(3 << 20)
    read = []

    for _ in range(12):
        append(writer, big)
        read += payloads(reader)
        reader.settle()

    assert read == [big] * 12
    assert len(list(folder.iterdir())) <= 3


def test_a_dead_writers_segment_is_given_back(folder):
    """The segment of a process that was killed is read to its end, and freed only then."""
    code = (
        "import sys, zlib, os, signal; from pathlib import Path\n"
        "from dicom_services.scp.storage.journal import Writer\n"
        "writer = Writer(Path(sys.argv[1]))\n"
        "for n in range(5): writer.append(b'%d' % n, zlib.crc32(b'%d' % n), 'A')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=False)
    reader = Reader(folder)

    found = payloads(reader)
    reader.settle()

    assert found == [b"0", b"1", b"2", b"3", b"4"]
    assert [path.suffix for path in folder.iterdir()] == [".free"]


def test_a_living_writers_segment_stays(folder):
    """However long a writer is silent, its segment is not given to another."""
    writer, reader = Writer(folder), Reader(folder)
    append(writer, b"one")
    reader.read()

    reader.settle()
    append(writer, b"two")

    assert payloads(reader) == [b"two"]


@pytest.mark.parametrize("damaged", [0, 20, 63, 64, 90], ids=lambda at: f"byte {at}")
def test_a_record_cut_by_a_power_failure_is_no_record(folder, damaged):
    """A record whose bytes did not all reach the disk was never acknowledged; those before it are read."""
    writer = Writer(folder)
    append(writer, b"whole")
    append(writer, b"x" * 100)
    (segment,) = folder.glob("*.journal")
    second = 64 + 128

    with segment.open("r+b") as file:
        file.seek(second + damaged)
        before = file.read(1)
        file.seek(second + damaged)
        file.write(bytes((before[0] ^ 0xFF,)))

    found = payloads(Reader(folder))
    if damaged == 63:  # padding of the header, which means nothing
        assert found == [b"whole", b"x" * 100]
    else:
        assert found == [b"whole"]


def test_garbage_in_the_folder_is_no_segment(folder):
    """A file that only looks like a segment yields nothing, and is set aside: it may have been one."""
    (folder / "0-damaged.journal").write_bytes(b"not a segment at all" * 10)
    (folder / "1-empty.journal").write_bytes(b"")
    reader = Reader(folder)

    assert payloads(reader) == []
    reader.settle()
    assert sorted(path.name for path in folder.iterdir()) == ["0-damaged.broken", "1-empty.broken"]


def test_claimed_segments_are_swept(folder):
    """A segment that a process was about to use when it died is removed at the next start."""
    (folder / "1-x.claimed").write_bytes(bytes(100))

    sweep(folder)

    assert list(folder.iterdir()) == []


@contextmanager
def no_room_for_files_of(size: int) -> Iterator[None]:
    """Let this process write no file larger than that, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk(folder):
    """When no further segment can be made, nothing is appended to the one that was ended, and nothing is left over."""
    writer, reader = Writer(folder), Reader(folder)
    big = os.urandom(3 << 20)
    append(writer, big)
    append(writer, big)
    before = sorted(folder.iterdir())

    with no_room_for_files_of(12 << 20), pytest.raises(OSError, match="large"):
        append(writer, big)
    left = sorted(folder.iterdir())
    reader.read()
    reader.settle()
    append(writer, b"small enough for the first segment")

    assert before == left
    assert payloads(Reader(folder)) == [b"small enough for the first segment"]


def test_damaged_record(folder):
    """A record that was cut or damaged is passed over: what came after it is read, and the segment is used again."""
    writer, reader = Writer(folder), Reader(folder)
    for payload in (b"first" * 100, b"second" * 100, b"third" * 100):
        append(writer, payload)
    writer.close()
    (segment,) = folder.glob("*.journal")
    whole = segment.read_bytes()
    segment.write_bytes(whole.replace(b"second", b"sECOnd", 1))

    before = list(unsettled(folder))
    read = payloads(reader)
    reader.settle()
    read += payloads(reader)
    reader.settle()

    assert len(before) == 2
    assert read == [b"first" * 100, b"third" * 100]
    assert not list(folder.glob("*.journal"))
