"""`radir peers`: who may ask what, and whether a peer answers."""

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from radir_node.errors import InvalidSetting, PeerUnavailable

Radir = Callable[..., Result]


@pytest.fixture
def with_peers(radir: Radir, free_port: int, monkeypatch: pytest.MonkeyPatch) -> Radir:
    """Two peers: one at a port of loopback, one over TLS."""
    peers = {
        "pacs": {"ae_title": "PACS", "host": "127.0.0.1", "port": free_port, "allow": ["echo", "store"]},
        "archive": {"ae_title": "ARCHIVE", "host": "archive.example", "port": 2762, "tls": True},
    }
    monkeypatch.setenv("RADIR_DICOM__PEERS", json.dumps(peers))
    monkeypatch.setenv("RADIR_DICOM__PUSH_TO", "pacs")
    return radir


def test_peers_are_listed_with_what_they_may_ask(with_peers: Radir, free_port: int) -> None:
    """Name, AE title, address, TLS, permissions, and which settings rely on them; strangers too."""
    pacs, archive = (line.split() for line in with_peers("peers").stdout.splitlines()[1:3])
    last = with_peers("peers").stdout.splitlines()[-1]

    assert ["pacs", "PACS", f"127.0.0.1:{free_port}", "no", "echo,", "store", "push_to"] == pacs
    assert ["archive", "ARCHIVE", "archive.example:2762", "yes", "everything"] == archive
    assert "others may echo, store" == last


def test_peers_as_json(with_peers: Radir) -> None:
    """Every key of the configuration, and the roles."""
    found = json.loads(with_peers("peers", "--json").stdout)

    assert ["echo", "store"] == found["unknown_callers"]
    assert ("pacs", ["push_to"], 16) == tuple(found["peers"][0][key] for key in ("name", "roles", "max_associations"))


def test_a_peer_that_is_there_answers_with_the_time_it_took(
    with_peers: Radir, storescp: Callable[[int], None], free_port: int
) -> None:
    """One line."""
    storescp(free_port)

    said = with_peers("peers", "echo", "pacs").stdout

    assert said.startswith(f"pacs: PACS at 127.0.0.1:{free_port} answered in ")
    assert said.endswith(" ms\n")


def test_a_peer_that_is_away_or_unknown_is_one_line(with_peers: Radir) -> None:
    """Exit codes 75 and 2; no database is asked."""
    with pytest.raises(PeerUnavailable, match="PACS at ") as away:
        with_peers("peers", "echo", "pacs")
    with pytest.raises(InvalidSetting, match="there is no peer 'pax'; known: archive, pacs") as unknown:
        with_peers("peers", "echo", "pax")

    assert (75, 2) == (away.value.exit_code, unknown.value.exit_code)
