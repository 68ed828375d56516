"""The servers under attack: all in one process, and a process group, each with short deadlines."""

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import systems
from attacked import ASSOCIATION, IDLE, PDU, REQUEST, Target

from radir_node.catalog.database import open_database

OPEN_DESCRIPTORS = 1500
"""Open in every server from the start: all its sockets lie beyond what select() can wait for."""

VERBS = ("echo", "store", "find", "move", "get", "commitment")


@pytest.fixture(scope="session")
def more_descriptors() -> None:
    """This process holds both ends of thousands of connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 3 * OPEN_DESCRIPTORS + 1000
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            pytest.skip(f"only {hard} open files are allowed here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and certificates of the node and of a caller."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*words: str) -> None:
        try:
            subprocess.run(["openssl", *words], cwd=folder, capture_output=True, check=True)
        except FileNotFoundError:
            pytest.skip("openssl is not installed")

    new = ("req", "-newkey", "rsa:2048", "-nodes")
    openssl(*new, "-x509", "-days", "2", "-subj", "/CN=authority", "-keyout", "authority.key", "-out", "authority.pem")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in ("node", "caller"):
        openssl(*new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signer = ("-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-extfile", "names")
        openssl("x509", "-req", "-days", "2", "-in", f"{name}.csr", *signer, "-out", f"{name}.pem")
    return folder


@pytest.fixture(scope="session")
def deadlines() -> dict[str, str]:
    """Settings of a server under attack."""
    return {
        "DICOM__UNKNOWN_CALLERS": str(list(VERBS)).replace("'", '"'),
        "DICOM__TIMEOUTS__REQUEST_SECONDS": str(REQUEST),
        "DICOM__TIMEOUTS__PDU_SECONDS": str(PDU),
        "DICOM__TIMEOUTS__IDLE_SECONDS": str(IDLE),
        "DICOM__TIMEOUTS__ASSOCIATION_SECONDS": str(ASSOCIATION),
    }


def stop_database(home: Path) -> None:
    if (home / "postgres").is_dir():
        open_database("", home / "postgres").close()


@contextmanager
def server(root: Path, certificates: Path, rss_mb: float, **settings: str) -> Iterator[Target]:
    """`radir scp` as a process group of its own, whose memory may grow by so much."""
    tls = {
        "DICOM__TLS__ENABLED": "true",
        "DICOM__TLS__PORT": "0",
        "DICOM__TLS__CERTIFICATE": str(certificates / "node.pem"),
        "DICOM__TLS__KEY": str(certificates / "node.key"),
        "DICOM__TLS__AUTHORITIES": str(certificates / "authority.pem"),
    }
    try:
        with systems.node(root, descriptors=OPEN_DESCRIPTORS, **settings, **tls) as running:
            target = Target(running.port, root / "node", running.members, rss_mb, running.tls_port, root / "node.log")
            target.crowd()
            target.warm_up()
            yield target
            assert running.process.poll() is None, (root / "node.log").read_text()[-3000:]
    finally:
        stop_database(root / "node")


@pytest.fixture(scope="package")
def process_group(tmp_path_factory, certificates, deadlines, more_descriptors) -> Iterator[Target]:
    """A master with its workers, as most sites have it."""
    with server(tmp_path_factory.mktemp("group"), certificates, 48, **deadlines) as target:
        yield target


@pytest.fixture(scope="package")
def one_process(tmp_path_factory, certificates, deadlines, more_descriptors) -> Iterator[Target]:
    """Everything in one process, for small sites: all that eight callers made it hold at once may stay with it."""
    workers = {"DICOM__STORE_WORKERS": "0"}
    with server(tmp_path_factory.mktemp("one"), certificates, 96, **deadlines, **workers) as target:
        yield target


@pytest.fixture(params=["one_process", "process_group"])
def target(request, wait, tool) -> Iterator[Target]:
    """A server that has done each of its services; after the test it is as quiet as it was before."""
    tool.find("echoscu")
    attacked: Target = request.getfixturevalue(request.param)
    attacked.note()

    yield attacked

    assert attacked.answers()
    wait(attacked.quiet, 15, attacked.difference)
    assert [] == attacked.failures()
