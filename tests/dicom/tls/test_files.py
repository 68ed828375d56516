"""The files that TLS is configured with: what is wrong with one is said before the node listens."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from dicom_services.dul.tls import client_context, server_context
from radir_node.errors import InvalidSetting
from radir_node.settings import Tls


@pytest.mark.parametrize("make", [server_context, client_context])
@pytest.mark.parametrize(
    ("setting", "content", "said"),
    [
        ("certificate", None, "dicom.tls.certificate: {file}: No such file or directory"),
        ("key", None, "dicom.tls.key: {file}: No such file or directory"),
        ("authorities", None, "dicom.tls.authorities: {file}: No such file or directory"),
        ("revoked", None, "dicom.tls.revoked: {file}: No such file or directory"),
        ("certificate", "text", "dicom.tls.certificate: {file} holds no certificate in PEM format"),
        ("certificate", "key", "dicom.tls.certificate: {file} holds no certificate in PEM format"),
        ("certificate", "weak", "dicom.tls.certificate: {file} is too weak (EE_KEY_TOO_SMALL)"),
        ("key", "text", "dicom.tls.key: {file} holds no private key in PEM format"),
        ("key", "other key", "dicom.tls.key: {file} is not the key of "),
        ("key", "encrypted", "dicom.tls.key: the private key is encrypted"),
        ("authorities", "text", "dicom.tls.authorities: {file} holds no certificate in PEM format"),
        ("authorities", "list", "dicom.tls.authorities: {file} holds no certificate"),
        ("revoked", "text", "dicom.tls.revoked: {file} holds no revocation list in PEM format"),
        ("revoked", "certificate", "dicom.tls.revoked: {file} holds no revocation list"),
    ],
)
def test_wrong_files_are_named(
    authority: Any, scanner: Any, node_identity: Any, tls_settings: Callable[..., Tls], tmp_path: Path,
    make: Callable[[Tls], ssl.SSLContext], setting: str, content: str | None, said: str,
) -> None:  # fmt: skip
    """Which file is wrong, and how, is said in one line before the node listens."""
    password = serialization.BestAvailableEncryption(b"pass")
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    contents: dict[str, Callable[[], bytes]] = {
        "text": lambda: b"nothing of the kind",
        "key": node_identity.key.read_bytes,
        "other key": scanner.key.read_bytes,
        "certificate": scanner.certificate.read_bytes,
        "list": authority.revoke().read_bytes,
        "encrypted": lambda: key.private_bytes(serialization.Encoding.PEM, form, password),
        "weak": authority.issue("feeble", key=rsa.generate_private_key(65537, 1024)).certificate.read_bytes,
    }
    file = tmp_path / "file.pem"
    if content is not None:
        file.write_bytes(contents[content]())

    with pytest.raises(InvalidSetting) as raised:
        make(tls_settings(**{setting: str(file)}))

    assert str(raised.value).startswith(said.format(file=file))
    assert "\n" not in str(raised.value)
