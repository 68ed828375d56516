"""Serving the pages over HTTP. The composition root and the browser tests run the server that this makes."""

import socket

import uvicorn
from starlette.types import ASGIApp


def listen(host: str, port: int) -> socket.socket:
    """Bind the address of the pages; port 0 takes any free one, read back by getsockname(). Raises OSError."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def web_server(app: ASGIApp) -> uvicorn.Server:
    """Make the server: `web_server(app).run(sockets=[listen(host, port)])` until its should_exit is set.

    The access log is off because its lines would hold the identifiers of launch URLs; the pages log their own line.
    """
    config = uvicorn.Config(
        app, access_log=False, log_config=None, server_header=False, timeout_graceful_shutdown=5, lifespan="off"
    )
    return uvicorn.Server(config)
