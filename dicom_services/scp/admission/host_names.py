"""Addresses behind host names, without waiting for a name server longer than a caller can. Called by access.py.

getaddrinfo(3) has no deadline, and a name server that is away holds it for half a minute. So it runs in threads of its
own, at most one per name; who asks waits a little for the first answer, and for no later one.
"""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

import structlog

log = structlog.get_logger()

Address = IPv4Address | IPv6Address

LIFE_SECONDS = 60.0
"""How old an answer may be; an older one serves while the next is on its way, or the name server is away."""
RETRY_SECONDS = 10.0
"""After a question that was not answered."""
WAIT_SECONDS = 2.0
"""How long a caller waits for the first answer; below timeouts.request_seconds."""


def parse_address(text: str) -> Address:
    """Read an IP address; an IPv4 address in IPv6 form is IPv4. Raises ValueError."""
    address = ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def look_up(name: str) -> frozenset[Address]:
    """Ask the system's resolver, however long that takes. Raises OSError."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return frozenset(parse_address(str(entry[4][0])) for entry in found)


@dataclass
class _Entry:
    addresses: frozenset[Address] | None = None
    ask_again: float = 0.0
    asking: bool = False
    answered: threading.Event = field(default_factory=threading.Event)


class HostNames:
    """A short cache over the system's resolver. Threads may share it."""

    def __init__(
        self,
        resolve: Callable[[str], frozenset[Address]] = look_up,
        wait_seconds: float = WAIT_SECONDS,
        life_seconds: float = LIFE_SECONDS,
    ) -> None:
        self._resolve = resolve
        self._wait_seconds = wait_seconds
        self._life_seconds = life_seconds
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    def addresses(self, name: str) -> frozenset[Address] | None:
        """Return the addresses of a name, empty when there is no such name; None when nobody could tell in time."""
        with self._lock:
            entry = self._entries.setdefault(name, _Entry())
            if not entry.asking and entry.ask_again <= time.monotonic():
                entry.asking = True
                threading.Thread(target=self._ask, args=(name, entry), name="resolver", daemon=True).start()
        entry.answered.wait(self._wait_seconds)
        return entry.addresses

    def _ask(self, name: str, entry: _Entry) -> None:
        life = min(self._life_seconds, RETRY_SECONDS)
        try:
            entry.addresses = self._resolve(name)
            life = self._life_seconds
        except socket.gaierror as error:
            if error.errno != socket.EAI_AGAIN:  # the name is gone; a name server that is away proves nothing
                entry.addresses = frozenset()
            log.warning("host_name_not_resolved", reason=error.strerror)
        except (OSError, ValueError) as error:  # ValueError: no name at all (idna)
            log.warning("host_name_not_resolved", reason=type(error).__name__)
        finally:
            entry.ask_again = time.monotonic() + life
            entry.asking = False
            entry.answered.set()
