"""DICOM over TLS: versions, cipher suites and certificates of both directions, with OpenSSL and DCMTK as peers."""

import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from structlog.testing import capture_logs

from dicom_services.dul.requestor import propose, request_association
from dicom_services.dul.tls import client_context
from radir_node.errors import PeerUnavailable
from radir_node.settings import Peer, Timeouts, Tls

VERIFICATION = ("1.2.840.10008.1.1", ("1.2.840.10008.1.2",))


def shown(authority: Any, own: Any) -> list[object]:
    """Options of DCMTK's programs: this certificate, that authority."""
    return ["+tls", own.key, own.certificate, "+cf", authority.file, "-aec", "RADIR"]


def s_client(address: tuple[str, int], *options: object, text: str = "") -> subprocess.CompletedProcess[str]:
    """Do a handshake with OpenSSL's own client, which is told to be as lax as it can."""
    host, port = address
    lax = ["-cipher", "ALL:@SECLEVEL=0"] if "-cipher" not in options else []
    command = ["openssl", "s_client", "-connect", f"{host}:{port}", *map(str, options), *lax]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)


def agreed(done: subprocess.CompletedProcess[str]) -> str | None:
    """The cipher suite of a handshake that came to its end; None = an alert came before."""
    found = re.search(r"New, TLSv\S+, Cipher is (\S+)", done.stdout)
    return found[1] if found is not None and done.returncode == 0 else None


@pytest.mark.parametrize(("version", "works"), [("-tls1_3", True), ("-tls1_2", True), ("-tls1_1", False)])
def test_versions(start_tls: Any, authority: Any, scanner: Any, version: str, works: bool) -> None:
    """TLS 1.2 and 1.3 are spoken, nothing older (RFC 8996)."""
    _, address = start_tls()

    done = s_client(address, version, "-cert", scanner.certificate, "-key", scanner.key, "-CAfile", authority.file)

    assert works == (agreed(done) is not None), done.stdout + done.stderr
    assert works != ("alert protocol version" in done.stderr)


@pytest.mark.parametrize(
    ("suite", "kind"),
    [
        ("ECDHE-RSA-AES128-GCM-SHA256", "rsa"),
        ("ECDHE-RSA-AES256-GCM-SHA384", "rsa"),
        ("ECDHE-ECDSA-AES128-GCM-SHA256", "ec"),
        ("ECDHE-ECDSA-AES256-GCM-SHA384", "ec"),
        ("AES256-GCM-SHA384", None),
        ("DHE-RSA-AES256-GCM-SHA384", None),
        ("ECDHE-RSA-AES256-SHA384", None),
        ("ECDHE-RSA-AES128-SHA", None),
        ("AES128-SHA", None),
        ("AECDH-AES128-SHA", None),
        ("NULL-SHA256", None),
    ],
)
def test_cipher_suites(start_tls: Any, authority: Any, scanner: Any, suite: str, kind: str | None) -> None:
    """Of TLS 1.2, the four suites of RFC 9325 4.2 are agreed to with a certificate of their kind, and no other."""
    own = authority.issue("elliptic", key=ec.generate_private_key(ec.SECP256R1())) if kind == "ec" else None
    _, address = start_tls(own) if own else start_tls()

    done = s_client(
        address, "-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0", "-cert", scanner.certificate, "-key", scanner.key
    )

    assert (suite if kind else None) == agreed(done), done.stdout + done.stderr
    assert bool(kind) != ("alert handshake failure" in done.stderr)


def test_renegotiation_is_refused(start_tls: Any, scanner: Any) -> None:
    """A client that asks for a second handshake is told that there is none."""
    _, address = start_tls()

    done = s_client(address, "-tls1_2", "-cert", scanner.certificate, "-key", scanner.key, text="R\n")

    assert "Verification" in done.stdout
    assert "RENEGOTIATING" in done.stdout + done.stderr
    assert "no renegotiation" in done.stderr


def test_dcmtk_stores_over_tls(
    start_tls: Any,
    authority: Any,
    scanner: Any,
    tool: Callable[..., Any],
    make_file: Callable[..., Path],
    dataset_bytes: Callable[[Path], bytes],
) -> None:
    """DCMTK's storescu sends over TLS what arrives bit by bit; the plain port goes on beside it."""
    node, address = start_tls()
    path = make_file()

    stored = tool("storescu", "-v", *shown(authority, scanner), *address, path)
    plain = tool("echoscu", "-v", "-aec", "RADIR", *node.server.address)

    assert 0 == stored.code, stored.text
    (instance,) = node.archive.stored.values()
    assert dataset_bytes(path) == dataset_bytes(node.root / instance.path)
    assert 0 == plain.code, plain.text


def test_who_shows_no_certificate_stays_out(start_tls: Any, authority: Any, tool: Callable[..., Any]) -> None:
    """A client certificate is required, unless the settings make it optional."""
    _, required = start_tls()
    _, optional = start_tls(tls={"client_certificates": "optional"})
    anonymous = ["-v", "+tla", "+cf", authority.file, "-aec", "RADIR"]

    refused = tool("echoscu", *anonymous, *required)
    served = tool("echoscu", *anonymous, *optional)

    assert 0 != refused.code
    assert 0 == served.code, served.text


@pytest.mark.parametrize("fault", ["foreign", "expired", "weak", "revoked"])
@pytest.mark.parametrize("asked", ["required", "optional"])
def test_certificates_that_prove_nothing(
    start_tls: Any, authority: Any, scanner: Any, tool: Callable[..., Any], new_authority: Any,
    fault: str, asked: str,
) -> None:  # fmt: skip
    """A certificate of another authority, past its end, of a weak key or revoked is refused even where none is due."""
    revoked = authority.issue("revoked")
    wrong = {
        "foreign": lambda: new_authority.issue("foreign"),
        "expired": lambda: authority.issue("expired", days=-1),
        "weak": lambda: authority.issue("weak", key=rsa.generate_private_key(65537, 1024)),
        "revoked": lambda: revoked,
    }[fault]()
    _, address = start_tls(tls={"client_certificates": asked, "revoked": str(authority.revoke(revoked.serial))})

    done = s_client(address, "-tls1_2", "-cert", wrong.certificate, "-key", wrong.key)
    right = tool("echoscu", "-v", *shown(authority, scanner), *address)

    assert agreed(done) is None, done.stdout
    assert 0 == right.code, right.text


def test_a_certificate_belongs_to_its_ae_title(
    start_tls: Any, authority: Any, scanner: Any, tool: Callable[..., Any]
) -> None:
    """The AE title of a peer with a certificate is taken from who holds it: from nobody else, nor over plain TCP."""
    peer = {"ae_title": "CT1", "host": "127.0.0.1", "port": 104, "certificate": "CT1.hospital.example"}
    node, address = start_tls(peers={"ct1": peer})
    other = authority.issue("other", "ct2.hospital.example")

    right = tool("echoscu", "-v", "-aet", "CT1", *shown(authority, scanner), *address)
    stolen = tool("echoscu", "-v", "-aet", "CT1", *shown(authority, other), *address)
    own_name = tool("echoscu", "-v", "-aet", "CT2", *shown(authority, other), *address)
    plain = tool("echoscu", "-v", "-aet", "CT1", "-aec", "RADIR", *node.server.address)

    assert (0, 0) == (right.code, own_name.code), right.text + own_name.text
    assert "Calling AE Title Not Recognized" in stolen.text
    assert "Calling AE Title Not Recognized" in plain.text


def test_idle_clients_hold_nobody_up(start_tls: Any, authority: Any, scanner: Any, tool: Callable[..., Any]) -> None:
    """Thirty connections that never begin their handshake leave the TLS port as quick as it was."""
    _, address = start_tls()

    with ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(socket.create_connection(address))
        started = time.monotonic()
        done = tool("echoscu", "-v", *shown(authority, scanner), *address)
        seconds = time.monotonic() - started

    assert 0 == done.code, done.text
    assert seconds < 3


def test_renewed_files_count_without_a_restart(
    start_tls: Any, authority: Any, scanner: Any, tool: Callable[..., Any], tmp_path: Path,
    wait: Callable[..., None],
) -> None:  # fmt: skip
    """A list that revokes a certificate counts seconds after it is written; a broken one changes nothing."""
    revoked = authority.revoke(file=tmp_path / "list.pem")
    _, address = start_tls(tls={"revoked": str(revoked)})

    def gets_in() -> bool:
        return bool(tool("echoscu", *shown(authority, scanner), *address).code == 0)

    before = gets_in()
    with capture_logs() as logs:
        revoked.write_text("nothing")
        wait(lambda: gets_in() and "tls_files_not_read" in repr(logs), 10, lambda: "the broken list is not noticed")
        still = gets_in()
    authority.revoke(scanner.serial, file=revoked)

    assert (True, True) == (before, still)
    wait(lambda: not gets_in(), 10, lambda: "the certificate still counts")


@pytest.fixture
def storescp_tls(tool: Any, authority: Any, tmp_path: Path, wait: Callable[..., None]) -> Iterator[Any]:
    """DCMTK's storescp behind TLS: start(identity) -> its port."""
    with ExitStack() as stack:

        def start(own: Any) -> int:
            with socket.socket() as probe:  # storescp cannot say which port it got, so one is picked for it
                probe.bind(("127.0.0.1", 0))
                port = int(probe.getsockname()[1])
            command = [tool.find("storescp"), "+tls", own.key, own.certificate, "+cf", authority.file, str(port)]
            process = stack.enter_context(
                subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            stack.callback(process.terminate)
            wait(lambda: _listens(port), 10, lambda: "storescp does not start")
            return port

        yield start


def _listens(port: int) -> bool:
    """Look into the kernel's table: a connection to try it would be one that storescp waits on."""
    local = f"0100007F:{port:04X}", f"00000000:{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1] in local and row[3] == "0A" for row in rows) or _listens_6(port)


def _listens_6(port: int) -> bool:
    rows = [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


def call(peer_host: str, port: int, context: ssl.SSLContext) -> str:
    """Associate with a peer over TLS; return "associated", or why not."""
    peer = Peer(ae_title="STORESCP", host=peer_host, port=port, tls=True)
    try:
        request_association(peer, "RADIR", propose([VERIFICATION]), Timeouts(), tls=context).release()
    except PeerUnavailable as error:
        return str(error)
    return "associated"


def test_the_node_checks_whom_it_calls(
    storescp_tls: Callable[[Any], int], authority: Any, new_authority: Any, tls_settings: Callable[..., Tls]
) -> None:
    """DCMTK's storescp is called over TLS when its certificate is for the host that is called, and by our authority."""
    context = client_context(tls_settings())
    port = storescp_tls(authority.issue("pacs"))
    stranger = storescp_tls(new_authority.issue("stranger"))

    right = call("127.0.0.1", port, context)
    other_name = call("localhost", port, context)
    foreign = call("127.0.0.1", stranger, context)

    assert "associated" == right
    assert "certificate" in other_name.lower()
    assert "certificate" in foreign.lower()
    assert all(said.startswith("STORESCP at ") and "\n" not in said for said in (other_name, foreign))


def test_the_system_is_trusted_by_default(start_tls: Any, scanner: Any) -> None:
    """Without authorities of its own, the node takes the system's, and the hospital's is none of them."""
    _, address = start_tls(tls={"authorities": ""})

    done = s_client(address, "-tls1_2", "-cert", scanner.certificate, "-key", scanner.key)

    assert agreed(done) is None
    assert "unknown ca" in done.stderr
