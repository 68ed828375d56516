"""Peers on the TLS port that never finish their handshake: they delay no one, and are gone at the deadline."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from attacked import REQUEST, SLACK, closed_within, ended_well, trickle
from raw_peer import RawPeer

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200))
"""The first half of a ClientHello."""


@pytest.fixture
def echo_over_tls(process_group, certificates: Path, tool):
    """DCMTK's echoscu with the caller's certificate, within a second; a busy machine gets three chances."""
    options = ("-aec", "RADIR", "+tls", "caller.key", "caller.pem", "+cf", "authority.pem")
    command = [tool.find("echoscu"), *options, "127.0.0.1", str(process_group.tls_port)]
    return lambda: any(ended_well(command, certificates) for _ in range(3))


@pytest.mark.parametrize("said", [b"", HELLO[:3], HELLO], ids=["nothing", "three bytes", "half a greeting"])
def test_peers_that_never_finish_their_handshake(process_group, echo_over_tls, said):
    """A hundred idle peers on the TLS port delay neither TLS callers nor plain ones."""
    assert echo_over_tls()
    with ExitStack() as open_peers:
        peers = [open_peers.enter_context(RawPeer(process_group.tls_port)).send(said) for _ in range(100)]

        answered = (echo_over_tls(), process_group.answers())
        ends = {closed_within(peer, REQUEST + SLACK) for peer in peers}

    assert answered == (True, True)
    assert ends == {True}


def test_a_greeting_a_byte_at_a_time(process_group):
    """The handshake has the deadline of the request, however busy its sender looks."""
    pieces = [HELLO[at : at + 1] for at in range(len(HELLO))]
    with RawPeer(process_group.tls_port) as peer:
        seconds = trickle(peer, pieces, REQUEST + SLACK, 0.05)

    assert seconds < REQUEST + SLACK
