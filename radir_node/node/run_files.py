"""Where each running service of this storage root listens: small files under <root>/run, read by `status` and tests."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def announced(root: Path, service: str, host: str, port: int) -> Iterator[None]:
    """Publish host, port and pid of a service while it runs."""
    folder = root / "run"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{service}.json"
    side = folder / f".{service}.part"
    side.write_text(json.dumps({"host": host, "port": port, "pid": os.getpid()}))
    side.rename(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def endpoint(root: Path, service: str) -> tuple[str, int] | None:
    """Return where a service said it listens, or None."""
    try:
        stated = json.loads((root / "run" / f"{service}.json").read_text())
        return str(stated["host"]), int(stated["port"])
    except (OSError, ValueError, KeyError):
        return None


def is_running(root: Path, service: str) -> bool:
    """Say whether the process that said it listens is alive; a killed one leaves its file behind."""
    try:
        pid = int(json.loads((root / "run" / f"{service}.json").read_text())["pid"])
        os.kill(pid, 0)
    except PermissionError:  # alive, and another user's
        return True
    except (OSError, ValueError, KeyError):
        return False
    return True


def answers(root: Path, service: str) -> bool:
    """Say whether the service accepts a connection now."""
    at = endpoint(root, service)
    if at is None:
        return False
    try:
        with socket.create_connection(at, timeout=1):
            return True
    except OSError:
        return False
