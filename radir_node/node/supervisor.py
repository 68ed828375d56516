"""`radir up`: every service as a child process; a dead one is started again, SIGTERM ends all gracefully."""

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from radir_node.errors import InvalidSetting, RadirError

log = structlog.get_logger()

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 40.0
STEADY_SECONDS = 60.0
"""A service that ran so long starts again at once when it dies."""
LONGEST_PAUSE_SECONDS = 30.0
POLL_SECONDS = 0.2


class ServiceRefuses(RadirError):
    """A service ended because its configuration is wrong: starting it again would change nothing."""

    exit_code = InvalidSetting.exit_code


def _die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the supervisor dies, however it dies (prctl(2))."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Service:
    """One child process; after each death it waits longer before it is started again."""

    name: str
    process: "subprocess.Popen[bytes] | None" = None
    deaths: int = 0
    start_at: float = 0.0

    def start(self) -> None:
        command = [sys.executable, "-m", "radir_node", self.name]
        self.process = subprocess.Popen(command, preexec_fn=_die_with_parent)  # noqa: PLW1509  # prctl only
        self.start_at = time.monotonic()

    def revive(self) -> None:
        """Start the process when it is due. Raises ServiceRefuses when it ended because of its configuration."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.start_at:
                self.start()
        elif self.process.poll() is not None:
            code = self.process.returncode
            log.error("service_died", service=self.name, exit_code=code)
            if code == InvalidSetting.exit_code:
                raise ServiceRefuses(f"the {self.name} service refuses its configuration; see its line above")
            self.deaths = 0 if now - self.start_at > STEADY_SECONDS else self.deaths + 1
            self.start_at = now + min(LONGEST_PAUSE_SECONDS, 2.0**self.deaths - 1)
            self.process = None


class Supervisor:
    """Children by service name. `run` blocks until a signal."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = [Service(name) for name in services]
        self._stopping = False

    def run(self) -> None:
        """Keep the children alive until SIGTERM or SIGINT. Raises ServiceRefuses after stopping the others."""
        with _signals(self._stop):
            try:
                while not self._stopping:
                    for service in self._services:
                        service.revive()
                    time.sleep(POLL_SECONDS)
            finally:
                self._end()

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _end(self) -> None:
        running = {service.name: service.process for service in self._services if service.process is not None}
        for child in running.values():
            child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for name, child in running.items():
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
