"""Clients that query: DCMTK's findscu, and stock pynetdicom for what findscu cannot say."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_FIND
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
)

MODELS = (StudyRootQueryRetrieveInformationModelFind, PatientRootQueryRetrieveInformationModelFind)
ROOTS = {"PATIENT": "-P", "STUDY": "-S", "SERIES": "-S", "IMAGE": "-S"}


class FindScu:
    """findscu with keys; returns the response data sets."""

    def __init__(self, tool: Any, folder: Path, node: Any) -> None:
        self._tool, self._folder, self._node = tool, folder, node
        self.text = ""
        """What the last run said."""
        self.folder = folder
        """Where its answers lie."""

    def __call__(self, level: str, *keys: str, model: str = "", query_file: Path | None = None) -> list[Dataset]:
        self.folder = self._folder / f"found{len(list(self._folder.iterdir()))}"
        self.folder.mkdir()
        options = [text for key in (f"QueryRetrieveLevel={level}", *keys) for text in ("-k", key)]
        peer, files = self._node.peer, [query_file] if query_file else []
        root = model or ROOTS[level]
        done = self._tool("findscu", "-d", root, "-X", "-od", self.folder, *options, peer.host, peer.port, *files)
        self.text = done.text
        return [dcmread(path) for path in sorted(self.folder.glob("*.dcm"))]


@pytest.fixture
def find(node: Any, tool: Any, tmp_path: Path) -> FindScu:
    """Run DCMTK's findscu against the node."""
    return FindScu(tool, tmp_path, node)


class Viewer:
    """One association of stock pynetdicom."""

    def __init__(self, node: Any, extended: bytes, syntax: str) -> None:
        ae = AE("VIEWER")
        negotiation = []
        for model in MODELS:
            ae.add_requested_context(model, syntax)
            if extended:
                item = SOPClassExtendedNegotiation()
                item.sop_class_uid, item.service_class_application_information = model, extended
                negotiation.append(item)
        self.association = ae.associate(node.peer.host, node.peer.port, ext_neg=negotiation)
        assert self.association.is_established

    def find_lazily(self, model: str, keys: Dataset) -> Iterator[tuple[Dataset, Dataset | None]]:
        """Yield status and identifier of each response as it comes."""
        yield from self.association.send_c_find(keys, model, msg_id=7)

    def find(self, model: str, keys: Dataset) -> list[tuple[Dataset, Dataset | None]]:
        """Return all responses."""
        return list(self.find_lazily(model, keys))

    def find_raw(self, model: str, data: bytes) -> list[C_FIND]:
        """Send bytes that no data set encodes to; return the responses."""
        request = C_FIND()
        request.MessageID, request.Priority, request.AffectedSOPClassUID = 9, 2, model
        request.Identifier = BytesIO(data)
        context = next(cx for cx in self.association.accepted_contexts if cx.abstract_syntax == model)
        self.association._reactor_checkpoint.clear()
        self.association.dimse.send_msg(request, context.context_id)
        responses = []
        while not responses or responses[-1].Status in (0xFF00, 0xFF01):
            responses.append(self.association.dimse.get_msg(block=True)[1])
        self.association._reactor_checkpoint.set()
        return responses

    def cancel(self, model: str) -> None:
        """Send a C-CANCEL for the query in progress."""
        self.association.send_c_cancel(7, query_model=model)


@pytest.fixture
def viewer() -> Iterator[Callable[..., Viewer]]:
    """Associate with a node: viewer(node, extended=b"", syntax=...); all are released at the end."""
    opened: list[Viewer] = []

    def open_(node: Any, extended: bytes = b"", syntax: str = ImplicitVRLittleEndian) -> Viewer:
        opened.append(Viewer(node, extended, syntax))
        return opened[-1]

    yield open_
    for each in opened:
        each.association.release()
