"""The DICOM server in one process: listens, receives, registers and answers in threads.

For small installations (dicom.store_workers = 0) and tests; prefork.py makes processes of the same parts.
"""

import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from dicom_services.dul.tls import server_context
from dicom_services.privacy import silence_libraries
from dicom_services.scp.admission.doorkeeper import Doorkeeper
from dicom_services.scp.association import Services
from dicom_services.scp.listener import Door, address, close, listen, raise_descriptor_limit
from dicom_services.scp.reception import Reception
from dicom_services.scp.requests import Ports, notices, requests
from dicom_services.scp.storage.registrar import Flush, Registrar, Wake
from dicom_services.scp.storage.spool import Spool
from radir_node.settings import Dicom

__all__ = ["DicomServer", "Ports", "start_server"]

log = structlog.get_logger()


class DicomServer:
    """The running server. A context manager: leaving it stops listening, waits for what runs, aborts the rest."""

    def __init__(self, config: Dicom, root: Path, ports: Ports, min_free_bytes: int) -> None:
        self._spool = spool = Spool(root, min_free_bytes)
        spool.prepare()
        doorkeeper = Doorkeeper.of(config, spool.root)
        tls = server_context(config.tls) if config.tls.enabled else None
        listeners: list[tuple[socket.socket, ssl.SSLContext | None]] = [(listen(config.host, config.port), None)]
        if tls is not None:
            listeners.append((listen(config.host, config.tls.port), tls))
        self._wake = Wake()
        self._lines = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.flush = Flush(self._lines[0])
        """Waits until everything acknowledged is registered."""
        self._registrar = Registrar(spool, ports.archive, self._wake, self._lines[1:])
        self._registering = threading.Thread(target=self._registrar.run, name="registrar", daemon=True)
        self._registering.start()
        answers = requests(ports, config, self.flush, spool)
        services = Services(spool, self._wake, config.timeouts, answers, notices(ports, config))
        self._reception = Reception(config, services, doorkeeper)
        self._addresses = [address(listener) for listener, _ in listeners]
        self._listeners = [listener for listener, _ in listeners]
        self._doors = [Door(listener, self._reception.welcome, context) for listener, context in listeners]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port in use; the port is the one chosen when 0 was asked for."""
        return self._addresses[0]

    @property
    def tls_address(self) -> tuple[str, int] | None:
        """Host and port of the TLS listener, where there is one."""
        return self._addresses[1] if len(self._addresses) > 1 else None

    @property
    def associations(self) -> int:
        """Number of associations open now."""
        return self._reception.associations

    def stop(self, grace_seconds: float = 10.0) -> None:
        """Stop listening, give running associations the grace, abort them, register what was acknowledged."""
        if not self._doors:
            return
        for listener in self._listeners:
            close(listener)
        for door in self._doors:
            door.close()
        self._doors = []
        self._reception.stop(grace_seconds)
        self._spool.close()
        self._registrar.stop()
        self._registering.join()
        for line in self._lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)  # wakes whoever listens on it
            line.close()
        self._wake.close()
        log.info("dicom_server_stopped")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def start_server(config: Dicom, root: Path, ports: Ports, *, min_free_mb: int = 0) -> DicomServer:
    """Listen on config.host:config.port (0 = any free port) and serve in background threads.

    root: the storage root; ports: see ports.py. Raises PeerUnavailable when the address is taken, StorageFull when root
    cannot be written, InvalidSetting when a file that the configuration names cannot be used.
    """
    silence_libraries()
    raise_descriptor_limit()
    running = DicomServer(config, root, ports, min_free_mb * 2**20)
    host, port = running.address
    log.info("dicom_server_started", ae_title=config.ae_title, host=host, port=port, tls=config.tls.enabled)
    return running
