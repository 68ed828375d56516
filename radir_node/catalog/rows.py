"""Header values as columns of study, series and instance. Called by registration.py."""

from collections.abc import Mapping
from typing import Any

from radir_node.catalog.tables import study
from radir_node.domain.person_name import folded
from radir_node.domain.stored import StoredInstance
from radir_node.domain.study import InstanceHeader

_STUDY = [c.name for c in study.c if c.name in InstanceHeader.__dataclass_fields__ and c.name != "modality"]
_SERIES = ("series_instance_uid", "modality", "series_number", "series_description", "body_part_examined")
_INSTANCE = (
    "sop_instance_uid",
    "sop_class_uid",
    "transfer_syntax_uid",
    "instance_number",
    "rows",
    "columns",
    "number_of_frames",
)


def study_values(header: InstanceHeader) -> Mapping[str, Any]:
    """Columns of `study` that come from any one of its instances."""
    values = {name: storable(getattr(header, name)) for name in _STUDY}
    return {**values, "patient_name_key": folded(values["patient_name"])}


def series_values(header: InstanceHeader) -> Mapping[str, Any]:
    """Columns of `series` that come from any one of its instances."""
    return {name: storable(getattr(header, name)) for name in _SERIES}


def instance_values(stored: StoredInstance) -> Mapping[str, Any]:
    """Columns of `instance` that describe the object and its file."""
    return {
        **{name: storable(getattr(stored.header, name)) for name in _INSTANCE},
        "path": stored.path,
        "size_bytes": stored.size,
        "sha256": stored.sha256,
        "calling_ae_title": stored.calling_ae_title,
        "received_at": stored.received,
    }


def storable(value: Any) -> Any:
    """Return a header value as Postgres can hold it: no number beyond its column, no text beyond UTF-8."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, int) and not -(2**31) <= value < 2**31:
        return None
    return value


def storable_text(text: str) -> str:
    """Return text without NUL and lone surrogates, which Postgres cannot hold."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
