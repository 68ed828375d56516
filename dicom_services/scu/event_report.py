"""Brings storage commitment reports to the peer that asked for them, over an association that the node opens.

Called by the worker for reports that found no association of the peer's own. The node is the SCP of storage commitment
here although it requests the association, and says so by role selection (PS3.4 J.3.3, PS3.7 D.3.3.4).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dicom_services.commitment_messages import SOP_CLASS_UID, SOP_INSTANCE_UID, event_type, report_dataset
from dicom_services.dimse.command import CommandField
from dicom_services.dimse.status import Status
from dicom_services.dul.requestor import SCP_ALONE
from dicom_services.scu.association import LITTLE_ENDIAN, Requestor, associate, status_of
from dicom_services.scu.caller import Caller
from dicom_services.scu.datasets import encoded
from radir_node.domain.commitment import CommitmentReport
from radir_node.errors import PeerUnavailable
from radir_node.settings import Peer

Report = Callable[[CommitmentReport], None]
"""Sends one N-EVENT-REPORT. Raises PeerUnavailable when the peer does not answer it with success."""


@contextmanager
def reporting(peer: Peer, caller: Caller) -> Iterator[Report]:
    """Yield what sends reports over one association, which is released at the end. Raises PeerUnavailable."""
    with associate(peer, caller, [(SOP_CLASS_UID, LITTLE_ENDIAN)], {SOP_CLASS_UID: SCP_ALONE}) as requestor:
        yield lambda report: _report(requestor, report, f"{peer.ae_title} at {peer.host}:{peer.port}")


def _report(requestor: Requestor, report: CommitmentReport, where: str) -> None:
    context = requestor.context(SOP_CLASS_UID)
    sent = requestor.request(
        context,
        CommandField.N_EVENT_REPORT,
        encoded(report_dataset(report, requestor.association.calling_ae_title), context.transfer_syntax),
        AffectedSOPClassUID=SOP_CLASS_UID,
        AffectedSOPInstanceUID=SOP_INSTANCE_UID,
        EventTypeID=int(event_type(report)),
    )
    status = status_of(requestor.response_to(sent))
    if status != Status.SUCCESS:
        raise PeerUnavailable(f"{where} answers N-EVENT-REPORT with 0x{status:04X}")
