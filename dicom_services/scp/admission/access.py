"""Who may associate, and what for. Called by doorkeeper.py with every association request.

An AE title is a name that anybody can write, so a known one counts only from the addresses, and over TLS with the
certificate, that its peer is configured with. Built once per process from the settings.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from dicom_services.dul.pdu import DICOM_APPLICATION_CONTEXT
from dicom_services.dul.request import (
    APPLICATION_CONTEXT_NOT_SUPPORTED,
    CALLED_AE_TITLE_NOT_RECOGNIZED,
    CALLING_AE_TITLE_NOT_RECOGNIZED,
    NO_REASON_GIVEN,
    PROTOCOL_VERSION_NOT_SUPPORTED,
    TEMPORARY_CONGESTION,
    AssociateRequest,
    Rejection,
)
from dicom_services.scp.admission.host_names import Address, HostNames, parse_address
from radir_node.errors import InvalidSetting
from radir_node.settings import Dicom, Peer, Verb

_AE_TITLE = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}")
"""Default character repertoire without backslash and control characters (PS3.5 6.2, VR AE)."""
_LIKE_AN_ADDRESS = re.compile(r"[0-9.]*|.*[:/*].*")
_VERSION_1 = 1
"""Bit 0 of Protocol-version; the other bits are not looked at (PS3.8 9.3.2)."""
_ANY = "*"
_LEFT_TO_PEERS = 4
"""One association in so many is for peers alone, so that a flood under invented AE titles does not shut them out."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A caller who may associate, and what is granted."""

    peer_name: str | None
    """Name of the peer in the settings; None = an unknown caller."""
    calling_ae_title: str
    verbs: frozenset[Verb]
    find_limit: int
    character_set: str
    """Of answers where the query names none; empty = by value."""
    max_associations: int
    """At a time, of this caller."""
    left_to_peers: int = 0
    """Slots that this caller must leave free, whoever holds the others."""

    @property
    def counted_as(self) -> str:
        """Under which name the caller's associations are counted: peers may share an AE title."""
        return f"peer {self.peer_name}" if self.peer_name is not None else f"caller {self.calling_ae_title}"


class AccessList:
    """The peers of the settings by AE title, the most exactly addressed first."""

    def __init__(self, config: Dicom, names: HostNames | None = None) -> None:
        """Raises InvalidSetting when an AE title or an address is none."""
        self._called = _checked("dicom.ae_title", config.ae_title)
        self._require_called = config.require_called_ae_title
        names = names or HostNames()
        self._entries: dict[str, list[_Entry]] = {}
        for name, peer in config.peers.items():
            ae_title = _checked(f"dicom.peers.{name}.ae_title", peer.ae_title)
            self._entries.setdefault(ae_title, []).append(_Entry(name, peer, names))
        for entries in self._entries.values():
            entries.sort(key=lambda entry: entry.breadth)
        of_anybody = Peer(ae_title="ANY", host="", port=1, allow=config.unknown_callers)
        left_to_peers = config.max_associations // _LEFT_TO_PEERS if config.peers else 0
        self._unknown = _admission(None, "", of_anybody, left_to_peers)

    def judge(self, request: AssociateRequest) -> Admission | Rejection:
        """Admit a caller or say why not (PS3.8 9.3.4).

        AE titles are compared without padding, with regard to case. Where several peers have the caller's AE title, the
        first whose address and certificate fit is taken; a known AE title from elsewhere is rejected, and never
        falls back to dicom.unknown_callers. May wait for a host name, at most host_names.WAIT_SECONDS for each.
        """
        fault = _fault(request)
        if fault is not None:
            return fault
        calling, called = request.calling_ae_title.strip(), request.called_ae_title.strip()
        if self._require_called and called != self._called:
            return CALLED_AE_TITLE_NOT_RECOGNIZED
        entries = self._entries.get(calling)
        if entries is None:
            return self._admit_unknown(calling)
        return _admit_peer(entries, request, calling)

    def _admit_unknown(self, calling: str) -> Admission | Rejection:
        if not self._unknown.verbs:
            return CALLING_AE_TITLE_NOT_RECOGNIZED
        return replace(self._unknown, calling_ae_title=calling)


class _Entry:
    """One peer and where it may call from."""

    def __init__(self, name: str, peer: Peer, names: HostNames) -> None:
        self.peer = peer
        self.admission = _admission(name, peer.ae_title.strip(), peer)
        self._names = names
        self._networks: list[IPv4Network | IPv6Network] = []
        self._hosts: list[str] = []
        texts = peer.addresses or (peer.host,)
        self._anywhere = _ANY in texts
        key = f"dicom.peers.{name}.{'addresses' if peer.addresses else 'host'}"
        for text in texts:
            self._add(key, text.strip())

    @property
    def breadth(self) -> int:
        """How many addresses fit, as a power of two: a single one comes before a network, a network before any."""
        if self._anywhere:
            return 256
        return max((network.max_prefixlen - network.prefixlen for network in self._networks), default=0)

    def is_at(self, address: Address) -> bool | None:
        """Say whether the peer may call from this address; None = its host name is not resolved at present."""
        if self._anywhere or any(address in network for network in self._networks):
            return True
        found = [self._names.addresses(host) for host in self._hosts]
        if any(addresses is not None and address in addresses for addresses in found):
            return True
        return None if None in found else False

    def _add(self, key: str, text: str) -> None:
        if text == _ANY:
            return
        try:
            network = ip_network(text if "/" in text else parse_address(text), strict=False)
        except ValueError:
            if not text or _LIKE_AN_ADDRESS.fullmatch(text):
                raise InvalidSetting(f"{key}: {text!r} is no address, network or host name") from None
            self._hosts.append(text)
        else:
            self._networks.append(network)


def _admission(name: str | None, calling: str, peer: Peer, left_to_peers: int = 0) -> Admission:
    return Admission(
        peer_name=name,
        calling_ae_title=calling,
        verbs=frozenset(peer.allow),
        find_limit=peer.find_limit,
        character_set=peer.character_set,
        max_associations=peer.max_associations,
        left_to_peers=left_to_peers,
    )


def _checked(key: str, ae_title: str) -> str:
    if not _is_ae_title(ae_title):
        raise InvalidSetting(f"{key}: {ae_title!r} is no AE title (PS3.5 6.2)")
    return ae_title.strip()


def _is_ae_title(text: str) -> bool:
    return _AE_TITLE.fullmatch(text) is not None and bool(text.strip())


def _fault(request: AssociateRequest) -> Rejection | None:
    """Return what is wrong with a request whoever sent it."""
    if not request.protocol_version & _VERSION_1:
        return PROTOCOL_VERSION_NOT_SUPPORTED
    if request.application_context != DICOM_APPLICATION_CONTEXT:
        return APPLICATION_CONTEXT_NOT_SUPPORTED
    if not _is_ae_title(request.called_ae_title):
        return replace(CALLED_AE_TITLE_NOT_RECOGNIZED, why="the called AE title is empty or malformed")
    if not _is_ae_title(request.calling_ae_title):
        return replace(CALLING_AE_TITLE_NOT_RECOGNIZED, why="the calling AE title is empty or malformed")
    return None


def _admit_peer(entries: Iterable[_Entry], request: AssociateRequest, calling: str) -> Admission | Rejection:
    try:
        address = parse_address(request.address)
    except ValueError:  # the caller is gone, or came through no network
        return replace(CALLING_AE_TITLE_NOT_RECOGNIZED, why="the calling AE title comes from no IP address")
    fault = replace(CALLING_AE_TITLE_NOT_RECOGNIZED, why="the calling AE title is a peer's, the address is not")
    for entry in entries:
        is_here = entry.is_at(address)
        if is_here is None:
            fault = replace(TEMPORARY_CONGESTION, why="the host name of the peer is not resolved")
        if not is_here:
            continue
        if _holds_certificate(request, entry.peer.certificate):
            return entry.admission if entry.admission.verbs else NO_REASON_GIVEN
        fault = replace(CALLING_AE_TITLE_NOT_RECOGNIZED, why="the client certificate is not the peer's")
    return fault


def _holds_certificate(request: AssociateRequest, name: str) -> bool:
    """Say whether the caller has proved to own a certificate for this name; an empty name asks for none.

    The name is compared with the subject's Common Names (with regard to case) and with the DNS names (without). An
    association over plain TCP proves nothing: a peer that is configured with a certificate is always refused there.
    """
    if not name:
        return True
    if not request.over_tls or request.certificate is None:
        return False
    common_names, dns_names = _names(request.certificate)
    return name in common_names or name.lower() in dns_names


def _names(certificate: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Return Common Names and lower-case DNS names of what ssl.SSLSocket.getpeercert() gave."""
    subject = (pair for names in certificate.get("subject", ()) for pair in names)
    alternatives = certificate.get("subjectAltName", ())
    return (
        {value for key, value in subject if key == "commonName"},
        {value.lower() for kind, value in alternatives if kind == "DNS"},
    )
