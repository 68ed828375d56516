"""TLS by the BCP 195 RFC 8996, RFC 9325 profile (PS3.15 B.12). Contexts alone: connection.py does the handshake.

Called when the server starts and by whoever calls a peer over TLS.
"""

import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radir_node.errors import InvalidSetting
from radir_node.settings import Tls

CIPHER_SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
)
"""Of TLS 1.2: those that RFC 9325 4.2 recommends, and no other. TLS 1.3 has none but forward-secret AEAD suites."""
_SECURITY_LEVEL = "@SECLEVEL=2"
"""Of OpenSSL: RSA keys of 2,048 bits at least, no SHA-1 signatures (RFC 9325 4.5)."""


def server_context(tls: Tls) -> ssl.SSLContext:
    """Return the context of the TLS port. Raises InvalidSetting that names the file that cannot be used."""
    context = _context(tls, ssl.PROTOCOL_TLS_SERVER, ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_REQUIRED if tls.client_certificates == "required" else ssl.CERT_OPTIONAL
    return context


def client_context(tls: Tls) -> ssl.SSLContext:
    """Return the context of outgoing associations: the node shows its certificate and checks the peer's host name.

    Raises InvalidSetting that names the file that cannot be used.
    """
    return _context(tls, ssl.PROTOCOL_TLS_CLIENT, ssl.Purpose.SERVER_AUTH)


def peer_certificate(sock: socket.socket) -> Mapping[str, Any] | None:
    """Return ssl.SSLSocket.getpeercert() of the peer's verified certificate; None over plain TCP or without one."""
    if not isinstance(sock, ssl.SSLSocket):
        return None
    return sock.getpeercert() or None


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
    if error.reason in ("EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "CA_KEY_TOO_SMALL"):
        return f"dicom.tls.certificate: {tls.certificate} is too weak ({error.reason})"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(tls.certificate)
    except ssl.SSLError:
        return f"dicom.tls.certificate: {tls.certificate} holds no certificate in PEM format"
    return f"dicom.tls.key: {tls.key} holds no private key in PEM format"


def _load_trusted(context: ssl.SSLContext, setting: str, file: Path, kind: str) -> None:
    _check_readable(setting, file)
    try:
        context.load_verify_locations(file)
    except ssl.SSLError as error:
        raise InvalidSetting(f"dicom.tls.{setting}: {file} is no PEM file ({error.reason})") from error
    if not context.cert_store_stats()[kind]:
        what = "revocation list" if kind == "crl" else "certificate"
        raise InvalidSetting(f"dicom.tls.{setting}: {file} holds no {what}")


def _check_readable(setting: str, file: Path) -> None:
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        raise InvalidSetting(f"dicom.tls.{setting}: {file}: {error.strerror}") from error


def _no_password() -> str:
    """OpenSSL would ask at the terminal, and a service has none."""
    raise InvalidSetting(
        "dicom.tls.key: the private key is encrypted; give it without a passphrase, readable by the node alone"
    )
