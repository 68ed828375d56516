"""A hospital's certificate authority, and nodes with a TLS port."""

import datetime as dt
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from radir_node.settings import Tls

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path
    serial: int


@dataclass
class Authority:
    """A certificate authority, made anew for every run."""

    folder: Path
    name: str = "Hospital CA"
    key: PrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    @property
    def subject(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])

    @property
    def file(self) -> Path:
        """The authority's own certificate."""
        path = self.folder / f"{self.name}.pem"
        if not path.exists():
            basic = x509.BasicConstraints(ca=True, path_length=None)
            made = self._builder(self.subject, self.key, 10).add_extension(basic, critical=True)
            path.write_bytes(_pem(made.sign(self.key, hashes.SHA256())))
        return path

    def issue(self, name: str, *dns: str, key: PrivateKey | None = None, days: int = 10) -> Identity:
        """Issue a certificate for 127.0.0.1, a Common Name and DNS names; it ends so many days from now."""
        key = key or rsa.generate_private_key(65537, 2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), *map(x509.DNSName, dns)]
        builder = self._builder(subject, key, days).add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        identity = Identity(self.folder / f"{name}.pem", self.folder / f"{name}.key", certificate.serial_number)
        identity.certificate.write_bytes(_pem(certificate))
        identity.key.write_bytes(_private_pem(key, serialization.NoEncryption()))
        return identity

    def revoke(self, *serials: int, file: Path | None = None) -> Path:
        """Write the list of revoked certificates."""
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.subject)
        builder = builder.last_update(now - dt.timedelta(minutes=1)).next_update(now + dt.timedelta(days=1))
        for serial in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
            builder = builder.add_revoked_certificate(entry.build())
        path = file or self.folder / "revoked.pem"
        path.write_bytes(_pem(builder.sign(self.key, hashes.SHA256())))
        return path

    def _builder(self, subject: x509.Name, key: PrivateKey, days: int) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.subject)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - dt.timedelta(days=30)).not_valid_after(now + dt.timedelta(days=days))


def _pem(made: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    return made.public_bytes(serialization.Encoding.PEM)


def _private_pem(key: PrivateKey, encryption: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def node_identity(authority: Authority) -> Identity:
    return authority.issue("radir.hospital.example")


@pytest.fixture(scope="module")
def scanner(authority: Authority) -> Identity:
    """A client of the hospital."""
    return authority.issue("scanner", "ct1.hospital.example")


@pytest.fixture(scope="module")
def tls_settings(authority: Authority, node_identity: Identity) -> Callable[..., Tls]:
    """tls_settings(own=None, **changed): the node with its certificate, or another one."""

    def make(own: Identity | None = None, **changed: Any) -> Tls:
        own = own or node_identity
        whole = {"enabled": True, "port": 0, "certificate": own.certificate, "key": own.key}
        return Tls.model_validate(whole | {"authorities": str(authority.file)} | changed)

    return make


@pytest.fixture
def start_tls(
    start_node: Callable[..., Any], tls_settings: Callable[..., Tls]
) -> Callable[..., tuple[Any, tuple[str, int]]]:
    """Start a node with a TLS port; returns it and the address of that port."""

    def start(own: Identity | None = None, tls: dict[str, Any] | None = None, **dicom: Any) -> Any:
        node = start_node(tls=tls_settings(own, **(tls or {})).model_dump(), **dicom)
        return node, node.server.tls_address

    return start


@pytest.fixture
def new_authority(tmp_path: Path) -> Authority:
    """An authority that the node does not trust."""
    return Authority(tmp_path)
