"""Reads every DICOM file below a folder as the node does, in a process of its own, and prints one JSON line for each.

Run by test_fuzz: FOLDER SECONDS_PER_FILE MEGABYTES. Ends with the exception where a file raises anything else than
NotIndexable, and by SIGALRM where a file takes too long.
"""

import json
import resource
import signal
import sys
from pathlib import Path

from dicom_services.objects.header import read_header
from dicom_services.objects.part10 import open_dataset
from dicom_services.objects.pixels import iter_frames
from dicom_services.objects.preview import preview
from dicom_services.objects.study import prepare_study, reports_of
from dicom_services.privacy import silence_libraries
from radir_node.errors import NotIndexable


def outcome(path: Path) -> dict[str, object]:
    """Return what the header, the study and the bare pixels of one file gave."""
    said: dict[str, object] = {"file": path.name}
    try:
        header = read_header(path)
        prepared = prepare_study([(path, header)])
        preview(prepared)
        reports, reasons = reports_of([(path, header)])
        searched = len(prepared.radiographs) + len(prepared.volumes) + len(reports)
        said["study"] = searched or [*prepared.not_indexable.values(), *reasons.values()]
    except NotIndexable as refused:
        said["study"] = [str(refused)]
    try:
        said["frames"] = sum(1 for _ in iter_frames(open_dataset(path)))
    except NotIndexable as refused:
        said["frames"] = str(refused)
    return said


def main() -> None:
    folder, seconds, megabytes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    silence_libraries()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in {".csv", ".md", ".txt", ".json"}:
            signal.alarm(seconds)
            print(json.dumps(outcome(path)), flush=True)  # noqa: T201 - the parent reads it
            signal.alarm(0)


if __name__ == "__main__":
    main()
