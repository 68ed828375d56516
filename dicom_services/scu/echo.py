"""C-ECHO as SCU: says whether a configured peer answers. Called by `radir status` and the admin page."""

from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification

from dicom_services.scu.association import associate
from radir_node.errors import PeerUnavailable
from radir_node.settings import Peer


def echo(peer: Peer, calling_ae_title: str) -> None:
    """Verify the peer. Raises PeerUnavailable when it refuses, stays silent or answers with a failure."""
    with associate(peer, calling_ae_title, [build_context(Verification)]) as association:
        answer = association.send_c_echo()
        if answer.get("Status") != 0:
            raise PeerUnavailable(f"{peer.ae_title} at {peer.host}:{peer.port} does not answer C-ECHO")
