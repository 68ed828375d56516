"""Listening sockets, and the thread that takes connections from one. Called by server.py and prefork.py."""

import errno
import os
import resource
import select
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
    """Return a socket for a Door, 0 = any free port. Raises PeerUnavailable when the address is taken."""
    with ExitStack() as undo:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listener = undo.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
            listener.setblocking(False)  # of several processes that are woken for one connection, one gets it
        except OSError as error:
            raise PeerUnavailable(f"cannot listen on {host}:{port}: {error.strerror}") from error
        undo.pop_all()
    return listener


def close(listener: socket.socket) -> None:
    """Stop listening, in every process that shares the socket."""
    with suppress(OSError):  # closed by another process
        listener.shutdown(socket.SHUT_RDWR)  # wakes every door to it
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

    Several processes may have a door to one socket: the kernel wakes one of them, and a process that ends takes no
    waiting connection with it, as it would with a socket of its own by SO_REUSEPORT.
    """

    def __init__(self, listener: socket.socket, welcome: Welcome, tls: ssl.SSLContext | None = None) -> None:
        self._listener = listener
        self._welcome = welcome
        self._tls = tls
        self._closing = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.epoll()
        self._poll.register(listener, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        self._poll.register(self._closing, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="door", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more connections here. Other processes go on: the socket is for who made it to close."""
        os.eventfd_write(self._closing, 1)
        self._thread.join()
        self._poll.close()
        os.close(self._closing)

    def _run(self) -> None:
        while all(descriptor != self._closing for descriptor, _ in self._poll.poll()):
            try:
                sock, _ = self._listener.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    log.error("connection_not_accepted", reason=error.strerror)
                    time.sleep(_BREATH_SECONDS)
                    continue
                if error.errno in (errno.EINVAL, errno.EBADF):
                    return
                continue  # another process was quicker, or the connection is gone (accept(2))
            self._welcome(sock, self._tls)
