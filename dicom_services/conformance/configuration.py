"""Section 6: every key of the DICOM settings, with default and meaning."""

from collections.abc import Iterator
from typing import Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dicom_services.conformance.document import NOT_SUPPORTED, Section, code, table
from radir_node.settings import Dicom, Peer, Timeouts, Tls, UserIdentity

_HOW = """\
Keys of the configuration file (TOML), or of the environment: `RADIR_DICOM__PORT`. They are read at the start; a key
that is wrong, or unknown, ends the start with its name. Certificates, revocation lists and token keys are read again
when their files change."""

_LIMITS = {
    "ge": "at least",
    "gt": "more than",
    "le": "at most",
    "min_length": "length at least",
    "max_length": "length at most",
}
"""Constraint of pydantic -> how it is said."""


def configuration() -> Section:
    return Section(
        "Configuration",
        (_HOW,),
        (
            Section(
                "General Configuration Parameters",
                (),
                (
                    Section("Application Entity", (_keys("dicom", Dicom),)),
                    Section("Deadlines", (_keys("dicom.timeouts", Timeouts),)),
                    Section("Peers", (_keys("dicom.peers.NAME", Peer),)),
                    Section("TLS", (_keys("dicom.tls", Tls),)),
                    Section("User Identity", (_keys("dicom.user_identity", UserIdentity),)),
                ),
            ),
            Section("Configuration of DIMSE Services", ("By the keys above; there are no others.",)),
            Section("Configuration of DICOM Web Services", (NOT_SUPPORTED,)),
            Section("Configuration of Media Services", (NOT_SUPPORTED,)),
            Section("Configuration of Real-Time Video Services", (NOT_SUPPORTED,)),
            Section("Configuration of the Audit Trail", (NOT_SUPPORTED,)),
        ),
    )


def _keys(prefix: str, section: type[BaseModel]) -> str:
    return table(("Key", "Default", "Allowed", "Meaning"), list(_rows(prefix, section)))


def _rows(prefix: str, section: type[BaseModel]) -> Iterator[tuple[str, str, str, str]]:
    for name, field in section.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            continue  # a table of its own
        shown = "required" if field.is_required() else code(_as_toml(default))
        yield code(f"{prefix}.{name}"), shown, _allowed(field), field.description or ""


def _allowed(field: FieldInfo) -> str:
    """Return the choices of a key, or its range."""
    if get_origin(field.annotation) is Literal:
        return " or ".join(_as_toml(choice) for choice in get_args(field.annotation))
    limits = (
        f"{word} {value}"
        for limit in field.metadata
        for name, word in _LIMITS.items()
        if (value := getattr(limit, name, None)) is not None
    )
    return ", ".join(limits)


def _as_toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_as_toml, value))}]"
    return str(value) if isinstance(value, int | float | dict) else f'"{value}"'
