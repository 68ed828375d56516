"""Who may send, by address, and how many at a time. Called by the MLLP server before a byte is read."""

import ipaddress
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

    def __init__(self, senders: Iterable[Sender], most: int) -> None:
        known = [(network, sender.name) for sender in senders for network in sender.networks]
        self._known = sorted(known, key=lambda entry: entry[0].prefixlen, reverse=True)
        self._most = most
        self._inside = 0

    def name_of(self, address: str) -> str | None:
        """Return the name of the sender with the narrowest network around an address; None = nobody that is known."""
        try:
            caller = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return None
        if isinstance(caller, ipaddress.IPv6Address) and caller.ipv4_mapped is not None:
            caller = caller.ipv4_mapped
        return next((name for network, name in self._known if caller in network), None)

    def enter(self) -> bool:
        """Let somebody in; False = there is no room."""
        if self._inside >= self._most:
            return False
        self._inside += 1
        return True

    def leave(self) -> None:
        """Give a place back."""
        self._inside -= 1
