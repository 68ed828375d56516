"""The data set of any request is limited before it is decoded."""

import struct
import zlib
from io import BytesIO

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.dimse_primitives import N_ACTION
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance


def bomb():
    """64 KB that inflate to 64 MB of empty elements."""
    deflater = zlib.compressobj(9, wbits=-15)
    return b"".join(deflater.compress(bytes(1 << 20)) for _ in range(64)) + deflater.flush()


ITEMS = struct.pack("<HHL", 8, 0x1199, 0xFFFFFFFF) + struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 400_000


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("syntax", "data"),
    [(DeflatedExplicitVRLittleEndian, bomb()), (ImplicitVRLittleEndian, ITEMS)],
    ids=["bomb", "items"],
)
def test_data_sets_that_would_hold_the_process(node, syntax, data):
    """A commitment request that pydicom would decode for minutes is turned down at once."""
    ae = AE("MODALITY")
    ae.add_requested_context(StorageCommitmentPushModel, syntax)
    association = ae.associate(node.peer.host, node.peer.port)
    request = N_ACTION()
    request.MessageID, request.ActionTypeID = 1, 1
    request.RequestedSOPClassUID = StorageCommitmentPushModel
    request.RequestedSOPInstanceUID = StorageCommitmentPushModelInstance
    request.ActionInformation = BytesIO(data)

    association._reactor_checkpoint.clear()
    association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
    _, response = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    association.release()

    assert 0x0110 == response.Status
