"""`radir up`: every service as a child process; a dead one is started again, SIGTERM ends all gracefully."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog

from radir_node.errors import RadirError

log = structlog.get_logger()

SERVICES = ("scp", "worker", "web")
PR_SET_PDEATHSIG = 1
STOP_SECONDS = 40.0
RESTARTS_PER_MINUTE = 10


class ServiceKeepsDying(RadirError):
    """A service ended again and again right after its start."""


def _die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the supervisor dies, however it dies (prctl(2))."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Supervisor:
    """Children by service name. `run` blocks until a signal."""

    def __init__(self, services: Sequence[str] = SERVICES) -> None:
        self._children = {name: self._start(name) for name in services}
        self._restarts: list[float] = []
        self._stopping = False

    @staticmethod
    def _start(service: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "radir_node", service]
        return subprocess.Popen(command, preexec_fn=_die_with_parent, env=os.environ)  # noqa: PLW1509  # prctl only

    def run(self) -> None:
        """Watch the children until SIGTERM or SIGINT. Raises ServiceKeepsDying after stopping the others."""
        with _signals(self._stop):
            try:
                while not self._stopping:
                    self._revive()
                    time.sleep(0.2)
            finally:
                self._end()

    def _revive(self) -> None:
        for name, child in self._children.items():
            if child.poll() is None or self._stopping:
                continue
            now = time.monotonic()
            self._restarts = [at for at in self._restarts if now - at < 60] + [now]
            log.error("service_died", service=name, exit_code=child.returncode)
            if len(self._restarts) > RESTARTS_PER_MINUTE:
                raise ServiceKeepsDying(f"the {name} service ends right after each start; see its log lines above")
            self._children[name] = self._start(name)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _end(self) -> None:
        for child in self._children.values():
            child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for name, child in self._children.items():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("service_killed", service=name)
                child.kill()
                child.wait()


@contextmanager
def _signals(handler: object) -> Iterator[None]:
    previous = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}  # type: ignore[arg-type]
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)
