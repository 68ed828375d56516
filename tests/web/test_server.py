"""The server under the pages: no answer is held back, and nothing writes addresses into a log."""

import logging
import socket

import pytest

from radir_node.web.server import listen, web_server


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_no_answer_waits_for_an_acknowledgement(host: str) -> None:
    """A listener that does not name TCP costs 40 ms with each answer: head and body are two packets."""
    with listen(host, 0) as listener:
        assert socket.IPPROTO_TCP == listener.proto


def test_addresses_are_logged_nowhere_even_with_a_handler(caplog) -> None:
    """An access log would hold the identifiers of launch URLs and reports."""
    web_server(lambda *_: None)
    access = logging.getLogger("uvicorn.access")
    access.addHandler(caplog.handler)
    access.info("CANARY")
    access.removeHandler(caplog.handler)

    assert "CANARY" not in caplog.text
