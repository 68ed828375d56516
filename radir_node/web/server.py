"""Serving the pages over HTTP. The composition root and the browser tests run the server that this makes."""

import logging
import socket

import uvicorn
from starlette.types import ASGIApp


def listen(host: str, port: int) -> socket.socket:
    """Bind the address of the pages; port 0 takes any free one, read back by getsockname(). Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio spares connections the 40 ms of Nagle's algorithm only where the listener names its protocol
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def web_server(app: ASGIApp) -> uvicorn.Server:
    """Make the server: `web_server(app).run(sockets=[listen(host, port)])` until its should_exit is set.

    The access log is off because its lines would hold the identifiers of launch URLs and reports; the pages log their
    own line.
    """
    config = uvicorn.Config(
        app, access_log=False, log_config=None, server_header=False, timeout_graceful_shutdown=5, lifespan="off"
    )
    logging.getLogger("uvicorn.access").disabled = True  # access_log=False leaves it on where it has a handler
    return uvicorn.Server(config)
