"""Ends connections that pass their deadline, whatever they are doing.

A socket timeout starts anew with every byte; a deadline does not, so that a peer cannot hold its thread with a byte a
minute. One thread looks at all connections of a process.
"""

import threading
import time
from typing import Protocol

LOOK_SECONDS = 0.2
"""How late a deadline may be noticed."""


class Watched(Protocol):
    """What the watchdog looks at."""

    @property
    def due(self) -> float:
        """time.monotonic() at which the connection is ended."""
        ...

    def expire(self) -> None:
        """End it; called from the watchdog's thread, once."""
        ...


class Watchdog:
    """A thread over a set of connections. `stop` ends the thread, not the connections."""

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def watch(self, connection: Watched) -> None:
        with self._lock:
            self._watched.add(connection)

    def forget(self, connection: Watched) -> None:
        with self._lock:
            self._watched.discard(connection)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            now = time.monotonic()
            with self._lock:
                late = [connection for connection in self._watched if connection.due < now]
                self._watched.difference_update(late)
            for connection in late:
                connection.expire()
