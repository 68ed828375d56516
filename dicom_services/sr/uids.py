"""Deterministic UIDs of the similar-case documents: the same question to the same index is the same instance.

Called by document.py, and by the node to name the virtual series before anything is computed.
"""

import hashlib

from radir_node.domain.match import Query

SERIES_NUMBER = 9001
SERIES_DESCRIPTION = "RadIR similar cases"
SOP_CLASS_UID = "1.2.840.10008.5.1.4.1.1.88.22"
"""Enhanced SR Storage, the encoding that every checked viewer shows as text."""


def series_uid(study_instance_uid: str) -> str:
    """Name the series of similar cases of a study; it stays the same while the index grows."""
    return _derived("similar cases series", study_instance_uid)


def instance_uid(query: Query, anatomy_used: str, model_id: str, snapshot_id: str) -> str:
    """Name the answer to a query by one model and one index snapshot."""
    f = query.filters
    return _derived(
        "similar cases instance",
        query.study_instance_uid,
        anatomy_used,
        query.anatomy,
        query.k,
        model_id,
        snapshot_id,
        *(f.modality, f.sex, f.age_min, f.age_max, f.date_from, f.date_to, f.include_same_patient),
    )


def device_uid(node_name: str, version: str, model_id: str) -> str:
    """Name the device that observes: node and model together, so that a new model is a new device."""
    return _derived("device", node_name, version, model_id)


def _derived(*parts: object) -> str:
    """Return a UID under 2.25 (PS3.5 B.2) from the first 128 bits of a hash."""
    text = "\x1f".join(["radir-node", *map(str, parts)])
    return f"2.25.{int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], 'big')}"
