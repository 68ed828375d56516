"""Passes a connection from a store worker to a query worker, with the association request that was read already.

The descriptor travels over a Unix socket (unix(7), SCM_RIGHTS), the request in a memory file beside it: it may be
longer than a message. TLS connections cannot travel; they are accepted by query workers from the start.
"""

import os
import socket
import threading
from collections.abc import Callable

import structlog

from dicom_services.contexts import is_receiving
from dicom_services.dul.acceptance import reject
from dicom_services.dul.connection import Connection
from dicom_services.dul.request import TEMPORARY_CONGESTION, AssociateRequest

log = structlog.get_logger()

TakeOver = Callable[[socket.socket, bytes], None]


class Hatch:
    """Both ends, made before the workers fork. Every store worker writes to it, any query worker reads."""

    def __init__(self) -> None:
        self._inside, self._outside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def hand_over(self, connection: Connection, request: AssociateRequest, body: bytes) -> bool:
        """Give away a connection whose request is not for a store worker; False = it is for the caller itself."""
        if is_receiving(context.abstract_syntax for context in request.contexts):
            return False
        memory = os.memfd_create("association-request")
        try:
            os.write(memory, body)
            socket.send_fds(self._outside, [b"\0"], [connection.sock.fileno(), memory], flags=socket.MSG_DONTWAIT)
        except BlockingIOError:  # query workers are behind
            reject(connection, TEMPORARY_CONGESTION)
        finally:
            os.close(memory)
        return True

    def serve(self, take_over: TakeOver) -> None:
        """Pass on what comes, in a thread of this process, until the process ends."""
        threading.Thread(target=self._run, args=(take_over,), name="hatch", daemon=True).start()

    def _run(self, take_over: TakeOver) -> None:
        while True:
            _, descriptors, _, _ = socket.recv_fds(self._inside, 1, 2)
            if len(descriptors) != 2:
                for descriptor in descriptors:
                    os.close(descriptor)
                continue
            accepted, memory = descriptors
            body = os.pread(memory, os.fstat(memory).st_size, 0)
            os.close(memory)
            take_over(socket.socket(fileno=accepted), body)
