"""Asks a peer by C-FIND whether it has what it took, where it offers no storage commitment. Called by the worker.

A C-STORE that was answered with success is not proof: archives answer first and file later, and some lose on the way.
"""

from collections.abc import Iterable
from itertools import groupby

from dicom_services.objects.stored_object import StoredObject
from dicom_services.scu.association import associate
from dicom_services.scu.caller import Caller
from dicom_services.scu.find import CONTEXTS, instances_at
from radir_node.settings import Peer


def held_at(peer: Peer, caller: Caller, items: Iterable[StoredObject]) -> frozenset[str]:
    """Return the SOP Instance UIDs of those objects that the peer lists in their series. Raises PeerUnavailable."""
    held: set[str] = set()
    with associate(peer, caller, CONTEXTS) as requestor:
        for (study, series), members in groupby(sorted(items, key=_series), key=_series):
            held |= instances_at(requestor, study, series).intersection(item.sop_instance_uid for item in members)
    return frozenset(held)


def _series(item: StoredObject) -> tuple[str, str]:
    return item.study_instance_uid, item.series_instance_uid
