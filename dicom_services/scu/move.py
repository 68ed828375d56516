"""C-MOVE as SCU, Study Root: lets another archive deliver to a third application entity. Called by scp/retrieval."""

from pydicom.dataset import Dataset

from dicom_services.dimse.command import CommandField
from dicom_services.scu.association import LITTLE_ENDIAN, MEDIUM, Requestor
from dicom_services.scu.datasets import encoded
from dicom_services.scu.suboperations import Retrieved, SubOperations, Watch, Watched

STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
CONTEXTS = [(STUDY_ROOT_MOVE, LITTLE_ENDIAN)]


def _never(counts: SubOperations) -> bool:
    return False


def move(requestor: Requestor, identifier: Dataset, destination: str, watch: Watch = _never) -> Retrieved:
    """Let the peer send what the identifier names to an AE title that it knows; return its final response.

    Raises PeerUnavailable when the association ends before it: what was delivered is then known only as far as `watch`
    was told.
    """
    context = requestor.context(STUDY_ROOT_MOVE)
    asked = requestor.request(
        context,
        CommandField.C_MOVE,
        encoded(identifier, context.transfer_syntax),
        AffectedSOPClassUID=STUDY_ROOT_MOVE,
        Priority=MEDIUM,
        MoveDestination=destination,
    )
    watched = Watched(requestor, context, asked, watch)
    while (outcome := watched.take(requestor.response_to(asked, watched.idle))) is None:
        continue
    return outcome
