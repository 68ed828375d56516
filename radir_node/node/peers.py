"""Peers of the configuration by name, and whether one answers. Called by `radir peers` and the operator."""

import dataclasses
import time

from dicom_services.scu.caller import Caller
from dicom_services.scu.echo import echo
from radir_node.errors import InvalidSetting
from radir_node.settings import Dicom, Peer

PATIENCE_SECONDS = 10.0
"""Somebody waits for the answer; a healthy peer takes milliseconds."""


def peer_named(dicom: Dicom, name: str) -> Peer:
    """Return a peer of the configuration. Raises InvalidSetting that names those there are."""
    if name not in dicom.peers:
        raise InvalidSetting(
            f"dicom.peers: there is no peer {name!r}; known: {', '.join(sorted(dicom.peers)) or 'none'}"
        )
    return dicom.peers[name]


def roles(dicom: Dicom, name: str) -> tuple[str, ...]:
    """Return the settings by which the node relies on a peer."""
    return tuple(key for key in ("push_to", "verify_with", "retrieve_from") if getattr(dicom, key) == name)


def echo_seconds(dicom: Dicom, name: str) -> float:
    """Verify a peer by C-ECHO; return how long that took, connection and association included, in seconds.

    Raises PeerUnavailable, or InvalidSetting when there is no such peer or the node's certificate cannot be used.
    """
    peer, caller = peer_named(dicom, name), Caller.of(dicom)
    patience = min(PATIENCE_SECONDS, caller.timeouts.response_seconds)
    timeouts = caller.timeouts.model_copy(update={"response_seconds": patience})
    started = time.monotonic()
    echo(peer, dataclasses.replace(caller, timeouts=timeouts))
    return time.monotonic() - started
