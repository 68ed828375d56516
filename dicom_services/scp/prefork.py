"""The DICOM server in processes: store workers, query workers and one registrar under a master that restarts them.

Called by the composition root (`radir scp`). Everything is forked before there is a thread or a database connection.
A flood of images keeps the store workers busy and no one else; a worker that dies takes its own associations with it.
"""

import ctypes
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from dicom_services.dul.tls import server_context
from dicom_services.privacy import silence_libraries
from dicom_services.scp.admission.doorkeeper import Doorkeeper
from dicom_services.scp.association import Services
from dicom_services.scp.hand_over import Hatch
from dicom_services.scp.listener import Door, address, close, listen, raise_descriptor_limit
from dicom_services.scp.reception import Reception
from dicom_services.scp.requests import Ports, notices, requests
from dicom_services.scp.storage.registrar import Flush, Registrar, Wake
from dicom_services.scp.storage.spool import Spool
from radir_node.errors import RadirError
from radir_node.settings import Dicom

log = structlog.get_logger()

GRACE_SECONDS = 10.0
"""How long open associations may go on after the server was told to stop."""
_PATIENCE_SECONDS = GRACE_SECONDS + 5
"""After which a worker that does not end is killed."""
_PAUSE_SECONDS = 1.0
"""Between two starts of one worker."""
_STOPPING = frozenset({signal.SIGTERM, signal.SIGINT})
_NICE = 5
_SPARE_SEGMENTS = 2
"""Of the journal, for each store worker: a burst of so many times 64 MB of small objects meets no delay."""
_PR_SET_PDEATHSIG = 1

OpenPorts = Callable[[], AbstractContextManager[Ports]]
"""Opens the node behind the ports, in the process that calls it."""


class Plant:
    """What the processes share; made in the master before the first fork."""

    def __init__(self, config: Dicom, root: Path, open_ports: OpenPorts, min_free_mb: int) -> None:
        """Raises PeerUnavailable, StorageFull and InvalidSetting, so that no process starts in vain."""
        self.master = os.getpid()
        self.config = config
        self.open_ports = open_ports
        self.spool = Spool(root, min_free_mb * 2**20)
        self.spool.prepare()
        self.doorkeeper = Doorkeeper.of(config, self.spool.root)
        self.tls = server_context(config.tls) if config.tls.enabled else None
        self.listener = listen(config.host, config.port)
        self.tls_listener = listen(config.host, config.tls.port) if self.tls else None
        self.wake = Wake()
        self.hatch = Hatch()
        self.lines = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(config.query_workers)]

    def leave(self) -> None:
        """Call in a worker that was told to stop: when there is no master any more, the port is free at once."""
        if os.getppid() != self.master:
            self.close()

    def close(self) -> None:
        """Stop listening, in every process."""
        for listener in filter(None, (self.listener, self.tls_listener)):
            close(listener)


def store_worker(plant: Plant) -> None:
    """Receive; hand everything else over. Knows no database."""
    services = Services(plant.spool, plant.wake, plant.config.timeouts, {})
    reception = Reception(plant.config, services, plant.doorkeeper, plant.hatch.hand_over)
    door = Door(plant.listener, reception.welcome)
    signal.sigwait(_STOPPING)
    plant.leave()
    door.close()
    reception.stop(GRACE_SECONDS)
    plant.spool.close()


def query_worker(plant: Plant, number: int) -> None:
    """Answer queries and retrieves, and whatever comes over TLS."""
    with plant.open_ports() as ports:
        flush = Flush(plant.lines[number][0])
        answers, unasked = requests(ports, plant.config, flush, plant.spool), notices(ports, plant.config)
        services = Services(plant.spool, plant.wake, plant.config.timeouts, answers, unasked)
        reception = Reception(plant.config, services, plant.doorkeeper)
        plant.hatch.serve(reception.take_over)
        door = Door(plant.tls_listener, reception.welcome, plant.tls) if plant.tls_listener else None
        signal.sigwait(_STOPPING)
        plant.leave()
        if door is not None:
            door.close()
        reception.stop(GRACE_SECONDS)
        plant.spool.close()


def registrar(plant: Plant) -> None:
    """Bring what was acknowledged into the catalogue, behind the workers in the queue for a processor."""
    os.nice(_NICE)
    with plant.open_ports() as ports:
        lines = [end for _, end in plant.lines]
        spare = _SPARE_SEGMENTS * plant.config.store_workers
        worker = Registrar(plant.spool, ports.archive, plant.wake, lines, spare_segments=spare)
        for number in _STOPPING:
            signal.signal(number, lambda *_: worker.stop())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
        worker.run()


@dataclass
class _Worker:
    """One child process."""

    name: str
    work: Callable[[], None]
    pid: int = 0
    started: float = 0.0

    def start(self) -> None:
        """Raises OSError when the system has no room for another process."""
        self.started = time.monotonic()
        master = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            code = _child(self.name, self.work, master)
            sys.stderr.flush()
            os._exit(code)

    def signal(self, number: int) -> None:
        if self.pid:
            os.kill(self.pid, number)


def _child(name: str, work: Callable[[], None], master: int) -> int:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != master:  # it died before it was asked for
        return 1
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    try:
        work()
    except RadirError as error:
        log.error("worker_failed", worker=name, reason=str(error))
        return error.exit_code
    except BaseException as error:  # noqa: BLE001  # nothing may unwind into the code of the master
        log.error("worker_failed", worker=name, error=type(error).__name__)
        return 1
    return 0


@dataclass
class Master:
    """Keeps the workers alive until SIGTERM or SIGINT, then ends them in order: the registrar last."""

    plant: Plant
    _workers: list[_Worker] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        return address(self.plant.listener)

    @property
    def tls_address(self) -> tuple[str, int] | None:
        return address(self.plant.tls_listener) if self.plant.tls_listener else None

    def run(self) -> None:
        """Block until told to stop. Call with no other thread running."""
        plant = self.plant
        signal.pthread_sigmask(signal.SIG_BLOCK, {*_STOPPING, signal.SIGCHLD})
        self._workers = [
            _Worker("registrar", partial(registrar, plant)),
            *(_Worker(f"query-{n}", partial(query_worker, plant, n)) for n in range(plant.config.query_workers)),
            *(_Worker(f"store-{n}", partial(store_worker, plant)) for n in range(plant.config.store_workers)),
        ]
        gc.freeze()  # the collector then writes to none of the pages that the workers share
        with ExitStack() as stack:
            stack.callback(self._end)
            for worker in self._workers:
                worker.start()
            while self._signal() not in _STOPPING:
                self._revive()

    def _signal(self) -> int | None:
        received = signal.sigtimedwait({*_STOPPING, signal.SIGCHLD}, _PAUSE_SECONDS)
        return received.si_signo if received else None

    def _revive(self) -> None:
        for worker in self._workers:
            if worker.pid and os.waitpid(worker.pid, os.WNOHANG)[0]:
                log.error("worker_died", worker=worker.name)
                worker.pid = 0
            lasted = time.monotonic() - worker.started
            if not worker.pid and lasted > _PAUSE_SECONDS:
                try:
                    worker.start()
                except OSError as error:  # those that live go on; the next try is a pause away
                    log.error("worker_not_started", worker=worker.name, reason=error.strerror)

    def _end(self) -> None:
        self.plant.close()
        first, last = self._workers[1:], self._workers[:1]
        for group in (first, last):
            for worker in group:
                worker.signal(signal.SIGTERM)
            deadline = time.monotonic() + _PATIENCE_SECONDS
            for worker in group:
                _reap(worker, deadline)


def _reap(worker: _Worker, deadline: float) -> None:
    while worker.pid and not os.waitpid(worker.pid, os.WNOHANG)[0]:
        if time.monotonic() > deadline:
            log.error("worker_killed", worker=worker.name)
            worker.signal(signal.SIGKILL)
            os.waitpid(worker.pid, 0)
            return
        signal.sigtimedwait({signal.SIGCHLD}, 0.1)


def prepare(config: Dicom, root: Path, open_ports: OpenPorts, *, min_free_mb: int = 0) -> Master:
    """Make ready to serve: folders, listening sockets, certificates. Raises as Plant does."""
    silence_libraries()
    raise_descriptor_limit()
    return Master(Plant(config, root, open_ports, min_free_mb))
