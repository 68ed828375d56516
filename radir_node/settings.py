"""Every key of the configuration, its unit, default and range. The composition root reads it; rooms take values.

Order of precedence: environment `RADIR_<SECTION>__<KEY>`, then the TOML file, then the defaults below.
conf/radir.toml lists every key at its default; tests/test_settings.py proves that it does.
"""

import os
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from radir_node.domain.received_report import ReportStatus
from radir_node.errors import InvalidSetting


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Storage(Section):
    root: Path = Path(".radir")
    """Folder of instances, previews, index snapshots and the embedded database. PHI lives here."""
    min_free_mb: int = Field(default=500, ge=0)
    """Receiving answers 0xA700 (out of resources) when less than this many MB are free."""


class Database(Section):
    url: str = ""
    """postgresql://... of the site's server; empty = the embedded Postgres under storage.root."""


Verb = Literal["echo", "store", "find", "move", "get", "commitment", "mpps", "availability"]
"""What a DICOM caller may be allowed to ask of the node."""

VERBS: tuple[Verb, ...] = get_args(Verb)


class Peer(Section):
    """A DICOM application entity that the node knows: what it may ask here, and where it is reached."""

    ae_title: str = Field(min_length=1, max_length=16)
    host: str
    """Where the node sends to; also the one address this AE title is accepted from, unless addresses names others."""
    port: int = Field(ge=1, le=65535)
    tls: bool = False
    """Associations of the node to this peer use TLS (dicom.tls)."""
    allow: tuple[Verb, ...] = VERBS
    """What this peer may ask of the node."""
    addresses: tuple[str, ...] = ()
    """Addresses or networks (10.1.0.0/16) that the AE title is accepted from; "*" = any; empty = host alone."""
    certificate: str = ""
    """Common Name or DNS name that this peer's certificate must hold over TLS, either way; empty = host when the node
    calls, any when the peer does."""
    max_associations: int = Field(default=16, ge=1)
    find_limit: int = Field(default=10000, ge=1)
    """Answers to one C-FIND; what is beyond ends with status 0xA700."""
    character_set: str = ""
    """Specific Character Set of answers to queries that name none, for peers that read one alone; empty = by value."""


class Timeouts(Section):
    """Deadlines of every association, in seconds."""

    connect_seconds: float = Field(default=5, gt=0)
    """Outgoing: TCP connection, TLS handshake and the answer to the association request, each."""
    request_seconds: float = Field(default=5, gt=0)
    """Incoming: from the TCP connection to the last byte of the association request, TLS handshake included (ARTIM)."""
    pdu_seconds: float = Field(default=30, gt=0)
    """From the first byte of a PDU to its last, read or written."""
    idle_seconds: float = Field(default=300, gt=0)
    """An association on which no request arrives for so long is aborted."""
    response_seconds: float = Field(default=300, gt=0)
    """A peer's answer to a request of the node."""
    association_seconds: float = Field(default=14400, gt=0)
    """One association, whatever it does."""


class Tls(Section):
    """DICOM over TLS by BCP 195 (PS3.15 B.12), beside the plain port."""

    enabled: bool = False
    """Listen on this port too; a peer with tls = true is reached over TLS either way."""
    port: int = Field(default=2762, ge=0, le=65535)
    """0 = any free port."""
    certificate: Path = Path("/etc/radir/tls/node.pem")
    """Certificate chain of the node, PEM."""
    key: Path = Path("/etc/radir/tls/node.key")
    authorities: str = ""
    """PEM file of the authorities that issue the peers' certificates; empty = the system's."""
    revoked: str = ""
    """PEM file of certificate revocation lists; empty = none are checked."""
    client_certificates: Literal["required", "optional"] = "required"


class UserIdentity(Section):
    """User identity negotiation (PS3.7 D.3.3.7)."""

    mode: Literal["ignored", "supported", "required"] = "ignored"
    """supported: an identity that is offered must be right; required: one must be offered."""
    users: dict[str, str] = {}
    """User name -> argon2 hash of the passcode."""
    jwt_keys: str = ""
    """File of the JSON Web Key Set that signs the tokens accepted as identity; empty = no tokens."""
    jwt_issuer: str = ""
    jwt_audience: str = "radir"


class Dicom(Section):
    ae_title: str = Field(default="RADIR", min_length=1, max_length=16)
    host: str = "127.0.0.1"
    """Address to listen on. Loopback by default: opening it to the network is a decision."""
    port: int = Field(default=11112, ge=0, le=65535)
    """0 = any free port; the chosen one is written to storage.root/run/scp.json."""
    require_called_ae_title: bool = False
    """Reject callers that name another AE title than ae_title."""
    unknown_callers: tuple[Verb, ...] = ("echo", "store")
    """What AE titles that are no peer may ask; empty = their associations are rejected."""
    store_workers: int = Field(default=2, ge=0, le=64)
    """Processes that receive; 0 = one process does everything, for small installations."""
    query_workers: int = Field(default=1, ge=1, le=64)
    """Processes that answer queries and retrieves, so that a flood of images does not hold them up."""
    max_associations: int = Field(default=64, ge=1)
    """Associations at a time, of all callers together."""
    max_pdu: int = Field(default=131072, ge=4096, le=131072)
    timeouts: Timeouts = Timeouts()
    duplicate_policy: Literal["keep", "replace"] = "replace"
    """Same SOP Instance UID with other content: keep the first copy, or make the new one current (old file stays)."""
    quiet_seconds_radiograph: float = Field(default=5, ge=0)
    """A study of radiographs is complete when nothing arrived for this long."""
    quiet_seconds_ct: float = Field(default=30, ge=0)
    force_seconds: float = Field(default=3600, gt=0)
    """A study that has not settled for so long after its first instance is indexed as it is."""
    verify_with: str = ""
    """Name of the peer whose counts a quiet study is compared with before it is indexed; empty = unverified."""
    retrieve_from: str = ""
    """Name of the peer that is asked to deliver what the node no longer keeps; empty = such objects fail."""
    peers: dict[str, Peer] = {}
    """Known application entities by name, e.g. [dicom.peers.pacs]: callers, move destinations and push targets."""
    push_to: str = ""
    """Name of the peer that gets the SR of every indexed study; empty = no push."""
    tls: Tls = Tls()
    user_identity: UserIdentity = UserIdentity()

    @model_validator(mode="after")
    def _names_known_peers(self) -> Self:
        for key in ("push_to", "verify_with", "retrieve_from"):
            name = getattr(self, key)
            if name and name not in self.peers:
                raise ValueError(f"{key}: there is no peer {name!r}; known: {', '.join(self.peers) or 'none'}")
        return self


HL7_FIELD = r"^[A-Z][A-Z0-9]{2}-[1-9]\d?(\.[1-9]\d?)?$"


class ReportSource(Section):
    """A system that sends reports: a RIS, an interface engine."""

    addresses: tuple[IPvAnyNetwork, ...] = ()
    """Addresses or networks (10.1.0.0/16) that its HL7 messages come from."""
    language: str = "en"
    """What its reports are written in where they do not say."""
    issuer_of_patient_id: str = ""
    """Of patient ids that come without one; empty = none."""
    accession_fields: tuple[Annotated[str, Field(pattern=HL7_FIELD)], ...] = ("OBR-18", "OBR-3", "TXA-15")
    """Where its accession numbers are, as HL7 counts fields and components ("ZDS-1.1"): the first that is not empty."""
    character_set: str = ""
    """In place of what MSH-18 says, for senders that say wrong: a name of Python; empty = as MSH-18 says."""
    statuses: dict[str, ReportStatus] = {}
    """Result status (OBR-25, OBX-11, TXA-17) -> what it means where that differs from HL7, e.g. A = "addendum"."""


class Hl7(Section):
    """Reports by HL7 v2 messages (ORU^R01, MDM) over MLLP."""

    enabled: bool = True
    host: str = "127.0.0.1"
    """Loopback by default: opening it to the network is a decision."""
    port: int = Field(default=2575, ge=0, le=65535)
    """0 = any free port; the chosen one is written to storage.root/run/hl7.json."""
    max_message_mb: int = Field(default=10, ge=1, le=64)
    """A longer message is refused while it is read."""
    max_connections: int = Field(default=32, ge=1)
    message_seconds: float = Field(default=30, gt=0)
    """From the first byte of a message to its last."""
    idle_seconds: float = Field(default=3600, gt=0)
    """A connection on which no message begins for so long is closed."""
    tls: bool = False
    """With the certificate, key, authorities and client_certificates of dicom.tls; the port then takes nothing else."""


LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


class Reports(Section):
    keep_messages: bool = False
    """Keep every message as it came, beside the text that was read; unreadable ones are kept either way."""
    sources: dict[str, ReportSource] = {"local": ReportSource(addresses=LOOPBACK)}
    """By name, e.g. [reports.sources.ris]; an HL7 sender that none of them names is refused."""
    date_order: Literal["", "mdy", "dmy"] = ""
    """How reports write dates of numbers alone; empty = each report is asked, and a date in doubt removed."""
    recognizer: Literal["none", "presidio"] = "none"
    """What looks for names in shown sentences beside the rules; presidio needs the extra radir-node[deid]."""


class Encoders(Section):
    runtime: Literal["onnx", "triton"] = "onnx"
    """In process (ONNX Runtime) or the Triton server."""
    repository: str = ""
    """Folder with the models; empty = the triton_models/ that came with the node."""
    triton_url: str = "127.0.0.1:8001"
    """gRPC address of the Triton server."""
    triton_timeout_seconds: float = Field(default=30, gt=0)
    threads: int = Field(default=1, ge=1)


class Index(Section):
    snapshot_after: int = Field(default=500, ge=1)
    """Vectors outside the last snapshot that cause the next one."""
    probe_queries: int = Field(default=50, ge=1)
    """Stored vectors replayed by the recall probe."""


class Search(Section):
    k: int = Field(default=5, ge=1, le=100)
    """Cases per answer where the caller names no number."""


class Web(Section):
    host: str = "127.0.0.1"
    port: int = Field(default=8042, ge=0, le=65535)
    https: bool = False
    """A proxy serves the pages over TLS: the session cookie is Secure. The node itself speaks HTTP."""
    session_hours: float = Field(default=10, gt=0)
    frame_ancestors: str = "'self'"
    """Content-Security-Policy frame-ancestors: which viewers may embed the pages."""


class Logging(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(BaseSettings):
    """The whole configuration. Unknown keys are errors."""

    model_config = SettingsConfigDict(env_prefix="RADIR_", env_nested_delimiter="__", extra="forbid", frozen=True)

    storage: Storage = Storage()
    database: Database = Database()
    dicom: Dicom = Dicom()
    hl7: Hl7 = Hl7()
    reports: Reports = Reports()
    encoders: Encoders = Encoders()
    index: Index = Index()
    search: Search = Search()
    web: Web = Web()
    logging: Logging = Logging()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = config_file()
        toml = [TomlConfigSettingsSource(settings_cls, toml_file=file)] if file else []
        return (init_settings, env_settings, *toml)


def config_file() -> Path | None:
    """The TOML file in force: $RADIR_CONFIG, else /etc/radir/radir.toml when it exists."""
    named = os.environ.get("RADIR_CONFIG")
    if named:
        if not Path(named).is_file():
            raise InvalidSetting(f"RADIR_CONFIG names {named}, which is not a file")
        return Path(named)
    default = Path("/etc/radir/radir.toml")
    return default if default.is_file() else None


def load_settings(**overrides: object) -> Settings:
    """Read environment, file and defaults. Raises InvalidSetting with every wrong key on one line."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic validates the values
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InvalidSetting(f"configuration: {wrong}") from None
    except (ValueError, OSError) as error:  # a TOML syntax error, or a file that may not be read
        raise InvalidSetting(f"configuration: {error}") from None
