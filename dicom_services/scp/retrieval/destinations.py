"""Places at each C-MOVE destination: one that hangs holds up its own retrieves and no others. Called by retrieve.py."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOST_MOVES = 4
"""C-MOVEs to one destination at a time, in one process."""

PATIENCE_SECONDS = 60.0
"""How long a C-MOVE waits for its place before it is refused."""

_LOOK_SECONDS = 0.25


class Busy(Exception):
    """Every place stayed taken."""


class Destinations:
    """Counts the moves to each destination by its AE title. Thread-safe."""

    def __init__(self, most: int = MOST_MOVES, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._places: defaultdict[str, threading.BoundedSemaphore] = defaultdict(
            lambda: threading.BoundedSemaphore(most)
        )
        self._lock = threading.Lock()

    @contextmanager
    def place(self, ae_title: str, idle: Callable[[], None]) -> Iterator[None]:
        """Hold a place; idle is called now and then while it is waited for. Raises Busy, and what idle raises."""
        with self._lock:
            places = self._places[ae_title]
        due = time.monotonic() + self._patience_seconds
        while not places.acquire(timeout=_LOOK_SECONDS):
            idle()
            if time.monotonic() > due:
                raise Busy
        try:
            yield
        finally:
            places.release()
