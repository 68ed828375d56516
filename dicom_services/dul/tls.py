"""TLS by BCP 195: RFC 8996 and RFC 9325 (PS3.15 B.12). Contexts alone: connection.py does the handshake.

Called when a server of the node starts (DICOM, HL7) and by whoever calls a peer over TLS.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from radir_node.errors import InvalidSetting
from radir_node.settings import Tls

log = structlog.get_logger()

CIPHER_SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
)
"""Of TLS 1.2: those that RFC 9325 4.2 recommends, and no other. TLS 1.3 has none but forward-secret AEAD suites."""
_SECURITY_LEVEL = "@SECLEVEL=2"
"""Of OpenSSL: RSA keys of 2,048 bits at least, no SHA-1 signatures (RFC 9325 4.5)."""
_LOOK_SECONDS = 1.0
"""How often the files are looked at."""


def server_context(tls: Tls) -> ssl.SSLContext:
    """Return the context of the TLS port. Raises InvalidSetting that names the file that cannot be used."""
    return _Renewing(ssl.PROTOCOL_TLS_SERVER).over(tls, _server_context)


def client_context(tls: Tls) -> ssl.SSLContext:
    """Return the context of outgoing associations: the node shows its certificate and checks the peer's host name.

    Raises InvalidSetting that names the file that cannot be used.
    """
    return _Renewing(ssl.PROTOCOL_TLS_CLIENT).over(tls, _client_context)


def peer_certificate(sock: socket.socket) -> Mapping[str, Any] | None:
    """Return ssl.SSLSocket.getpeercert() of the peer's verified certificate; None over plain TCP or without one."""
    if not isinstance(sock, ssl.SSLSocket):
        return None
    return sock.getpeercert() or None


class _Renewing(ssl.SSLContext):
    """A context whose files are read again when they change: certificates and revocation lists do not last.

    Stands for the context that was made last. While the files are wrong, that is the one made from those before.
    """

    def over(self, tls: Tls, make: Callable[[Tls], ssl.SSLContext]) -> "_Renewing":
        """Make the first context. Raises InvalidSetting."""
        self._tls = tls
        self._make = make
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._version = _version(tls)
        self._made = make(tls)
        return self

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> ssl.SSLSocket:
        return self._current().wrap_socket(sock, *args, **options)

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """What asyncio asks for."""
        return self._current().wrap_bio(*args, **options)

    def _current(self) -> ssl.SSLContext:
        with self._lock:
            if time.monotonic() - self._looked > _LOOK_SECONDS:
                self._looked = time.monotonic()
                self._renew()
            return self._made

    def _renew(self) -> None:
        version = _version(self._tls)
        if version == self._version:
            return
        self._version = version
        try:
            self._made = self._make(self._tls)
        except InvalidSetting as error:
            log.error("tls_files_not_read", reason=str(error))
        else:
            log.info("tls_files_read_again")


def _server_context(tls: Tls) -> ssl.SSLContext:
    context = _context(tls, ssl.PROTOCOL_TLS_SERVER, ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_REQUIRED if tls.client_certificates == "required" else ssl.CERT_OPTIONAL
    return context


def _client_context(tls: Tls) -> ssl.SSLContext:
    return _context(tls, ssl.PROTOCOL_TLS_CLIENT, ssl.Purpose.SERVER_AUTH)


def _context(tls: Tls, protocol: int, purpose: ssl.Purpose) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join((*CIPHER_SUITES, _SECURITY_LEVEL)))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION  # RFC 9325 3.3, 3.5
    _load_own(context, tls)
    if tls.authorities:
        _load_trusted(context, "authorities", Path(tls.authorities), "x509")
    else:
        context.load_default_certs(purpose)
    if tls.revoked:
        _load_trusted(context, "revoked", Path(tls.revoked), "crl")
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


def _load_own(context: ssl.SSLContext, tls: Tls) -> None:
    for setting, file in (("certificate", tls.certificate), ("key", tls.key)):
        _check_readable(setting, file)
    try:
        context.load_cert_chain(tls.certificate, tls.key, _no_password)
    except ssl.SSLError as error:
        raise InvalidSetting(_wrong_own(tls, error)) from error


def _wrong_own(tls: Tls, error: ssl.SSLError) -> str:
    """Say which of the two files is wrong: OpenSSL names neither."""
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"dicom.tls.key: {tls.key} is not the key of {tls.certificate}"
    if error.reason in ("EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"):
        return f"dicom.tls.certificate: {tls.certificate} is too weak ({error.reason})"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(tls.certificate)
    except ssl.SSLError:
        return f"dicom.tls.certificate: {tls.certificate} holds no certificate in PEM format"
    return f"dicom.tls.key: {tls.key} holds no private key in PEM format"


def _load_trusted(context: ssl.SSLContext, setting: str, file: Path, kind: str) -> None:
    _check_readable(setting, file)
    what = "revocation list" if kind == "crl" else "certificate"
    before = context.cert_store_stats()[kind]
    try:
        context.load_verify_locations(file)
    except ssl.SSLError as error:
        raise InvalidSetting(f"dicom.tls.{setting}: {file} holds no {what} in PEM format") from error
    if context.cert_store_stats()[kind] == before:
        raise InvalidSetting(f"dicom.tls.{setting}: {file} holds no {what}")


def _check_readable(setting: str, file: Path) -> None:
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        raise InvalidSetting(f"dicom.tls.{setting}: {file}: {error.strerror}") from error


def _no_password() -> str:
    """OpenSSL would ask at the terminal, and a service has none."""
    raise InvalidSetting("dicom.tls.key: the private key is encrypted; the node needs it without a passphrase")


def _version(tls: Tls) -> tuple[tuple[int, int] | None, ...]:
    """Return what differs after every change of one of the files."""
    files = (tls.certificate, tls.key, *(Path(file) for file in (tls.authorities, tls.revoked) if file))
    return tuple(map(_file_version, files))


def _file_version(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
