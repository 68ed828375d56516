"""C-ECHO as SCU: says whether a configured peer answers. Called by `radir status` and the admin page."""

from pynetdicom.sop_class import Verification

from dicom_services.dimse.command import CommandField
from dicom_services.scu.association import LITTLE_ENDIAN, associate, status_of
from dicom_services.scu.caller import Caller
from radir_node.errors import PeerUnavailable
from radir_node.settings import Peer


def echo(peer: Peer, caller: Caller) -> None:
    """Verify the peer. Raises PeerUnavailable when it refuses, stays silent or answers with a failure."""
    with associate(peer, caller, [(Verification, LITTLE_ENDIAN)]) as requestor:
        context = requestor.context(Verification)
        asked = requestor.request(context, CommandField.C_ECHO, AffectedSOPClassUID=Verification)
        if status_of(requestor.response_to(asked)) != 0:
            raise PeerUnavailable(f"{peer.ae_title} at {peer.host}:{peer.port} does not answer C-ECHO")
