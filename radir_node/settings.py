"""Every key of the configuration, its unit, default and range. The composition root reads it; rooms take values.

Order of precedence: environment `RADIR_<SECTION>__<KEY>`, then the TOML file, then the defaults below.
conf/radir.toml lists every key at its default; tests/test_settings.py proves that it does.
"""

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

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


class Peer(Section):
    """A DICOM application entity the node may send to."""

    ae_title: str
    host: str
    port: int = Field(ge=1, le=65535)


class Dicom(Section):
    ae_title: str = Field(default="RADIR", min_length=1, max_length=16)
    host: str = "127.0.0.1"
    """Address to listen on. Loopback by default: opening it to the network is a decision."""
    port: int = Field(default=11112, ge=0, le=65535)
    """0 = any free port; the chosen one is written to storage.root/run/scp.json."""
    max_associations: int = Field(default=32, ge=1)
    max_pdu: int = Field(default=131072, ge=4096, le=131072)
    network_timeout_seconds: float = Field(default=60, gt=0)
    duplicate_policy: Literal["keep", "replace"] = "replace"
    """Same SOP Instance UID with other content: keep the first copy, or make the new one current (old file stays)."""
    quiet_seconds_radiograph: float = Field(default=5, ge=0)
    """A study of radiographs is complete when nothing arrived for this long."""
    quiet_seconds_ct: float = Field(default=30, ge=0)
    peers: dict[str, Peer] = {}
    """Move destinations and push targets by name, e.g. [dicom.peers.pacs]."""
    push_to: str = ""
    """Name of the peer that gets the SR of every indexed study; empty = no push."""

    @model_validator(mode="after")
    def _push_to_a_known_peer(self) -> Self:
        if self.push_to and self.push_to not in self.peers:
            raise ValueError(f"push_to: there is no peer {self.push_to!r}; known: {', '.join(self.peers) or 'none'}")
        return self


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
