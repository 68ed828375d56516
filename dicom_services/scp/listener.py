"""Listening sockets, and the thread that takes connections from one. Called by server.py and prefork.py."""

import errno
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

import structlog

from radir_node.errors import PeerUnavailable

log = structlog.get_logger()

_BACKLOG = 1024
_BREATH_SECONDS = 0.05
"""Pause when the process has no descriptor left for a connection that waits."""

Welcome = Callable[[socket.socket, ssl.SSLContext | None], None]


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on host:port, 0 = any free one. Raises PeerUnavailable when the address is taken."""
    with ExitStack() as undo:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listener = undo.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError as error:
            raise PeerUnavailable(f"cannot listen on {host}:{port}: {error.strerror}") from error
        undo.pop_all()
    return listener


def close(listener: socket.socket) -> None:
    """Stop listening, in every process that shares the socket."""
    with suppress(OSError):  # closed by another process
        listener.shutdown(socket.SHUT_RDWR)  # wakes every accept()
    listener.close()


def address(listener: socket.socket) -> tuple[str, int]:
    """Return host and port in use."""
    host, port = listener.getsockname()[:2]
    return str(host), int(port)


def raise_descriptor_limit() -> None:
    """Let the process hold as many descriptors as it may: every association, file and pool takes some."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Door:
    """The accept thread of one listening socket. It hands connections on and does nothing else.

    Several processes may have a door to one socket: the kernel wakes them in turn, and a process that dies takes no
    waiting connection with it, as it would with a socket of its own by SO_REUSEPORT.
    """

    def __init__(self, listener: socket.socket, welcome: Welcome, tls: ssl.SSLContext | None = None) -> None:
        self._listener = listener
        self._welcome = welcome
        self._tls = tls
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="door", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more connections. The listening socket ends with it, for every process."""
        self._closing = True
        close(self._listener)
        self._thread.join()

    def _run(self) -> None:
        while not self._closing:
            try:
                sock, _ = self._listener.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    log.error("connection_not_accepted", reason=error.strerror)
                    time.sleep(_BREATH_SECONDS)
                    continue
                if error.errno in (errno.EINVAL, errno.EBADF):
                    return
                continue  # that connection was gone before it was taken (accept(2))
            self._welcome(sock, self._tls)
