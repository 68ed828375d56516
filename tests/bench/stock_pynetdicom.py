"""Stock pynetdicom as a peer of the benchmark: an AE with event handlers, as its documentation shows, logging off.

usage: python stock_pynetdicom.py PORT FOLDER MAX_PDU STUDIES IMAGES
"""

import logging
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, _config, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind, Verification
from synthetic import KEYWORDS, Row, rows

logging.disable(logging.CRITICAL)
_config.LOG_HANDLER_LEVEL = "none"


def main() -> None:
    port, folder, max_pdu, studies, images = sys.argv[1:]
    ae = AE("ANY")
    ae.maximum_associations = 100
    ae.maximum_pdu_size = int(max_pdu)
    ae.add_supported_context(Verification)
    ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    for context in AllStoragePresentationContexts:
        ae.add_supported_context(context.abstract_syntax, ALL_TRANSFER_SYNTAXES)
    known = list(rows(int(studies), int(images)))
    handlers = [(evt.EVT_C_STORE, store_into(Path(folder))), (evt.EVT_C_FIND, find_in(known))]
    ae.start_server(("127.0.0.1", int(port)), evt_handlers=handlers)


def store_into(folder: Path) -> Callable[[Any], int]:
    def store(event: Any) -> int:
        (folder / f"{event.request.AffectedSOPInstanceUID}.{uuid.uuid4().hex}").write_bytes(event.encoded_dataset())
        return 0x0000

    return store


def find_in(known: list[Row]) -> Callable[[Any], Iterator[tuple[int, Dataset | None]]]:
    def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        query = event.identifier
        image_level = query.QueryRetrieveLevel == "IMAGE"
        low, _, high = str(query.get("StudyDate") or "").partition("-")
        wanted = {k: str(query.get(k)) for k in KEYWORDS if k != "StudyDate" and query.get(k)}
        last = None
        for row in known:
            if low and not low <= row["StudyDate"] <= (high or low):
                continue
            if any(row[keyword] != value for keyword, value in wanted.items()):
                continue
            if not image_level and row["StudyInstanceUID"] == last:
                continue
            last = row["StudyInstanceUID"]
            answer = Dataset()
            answer.QueryRetrieveLevel = query.QueryRetrieveLevel
            for keyword in KEYWORDS:
                if keyword in query:
                    setattr(answer, keyword, row[keyword])
            yield 0xFF00, answer

    return find


if __name__ == "__main__":
    main()
