"""Who may send, by address, and how many at a time. Called by the MLLP server before a byte is read."""

import ipaddress
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Sender:
    """Addresses that may send reports, and what they are called."""

    name: str
    networks: tuple[Network, ...]


class Doorkeeper:
    """Knows the senders, and counts who is inside."""

    def __init__(self, senders: Iterable[Sender], most: int, most_of_a_sender: int) -> None:
        known = [(network, sender.name) for sender in senders for network in sender.networks]
        self._known = sorted(known, key=lambda entry: entry[0].prefixlen, reverse=True)
        self._most = most
        self._most_of_a_sender = most_of_a_sender
        self._inside: Counter[str] = Counter()

    def name_of(self, address: str) -> str | None:
        """Return the name of the sender with the narrowest network around an address; None = nobody that is known."""
        try:
            caller = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return None
        if isinstance(caller, ipaddress.IPv6Address) and caller.ipv4_mapped is not None:
            caller = caller.ipv4_mapped
        return next((name for network, name in self._known if caller in network), None)

    def enter(self, name: str) -> str:
        """Let a sender in; return "" or why there is no room."""
        if self._inside.total() >= self._most:
            return "too many connections"
        if self._inside[name] >= self._most_of_a_sender:
            return "too many connections of this sender"
        self._inside[name] += 1
        return ""

    def leave(self, name: str) -> None:
        """Give a place back."""
        self._inside[name] -= 1
