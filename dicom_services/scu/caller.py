"""Who the node is to its peers: built once from the settings by the composition root, passed to everything in scu/."""

import ssl
from dataclasses import dataclass, field
from functools import cache
from typing import Self

from dicom_services.dul.tls import client_context
from radir_node.settings import Dicom, Timeouts, Tls


@dataclass(frozen=True)
class Caller:
    """The node's own AE title, how long it waits, and what it shows to peers that are reached over TLS."""

    ae_title: str
    timeouts: Timeouts = field(default_factory=Timeouts)
    tls: Tls = field(default_factory=Tls)

    @classmethod
    def of(cls, dicom: Dicom) -> Self:
        return cls(dicom.ae_title, dicom.timeouts, dicom.tls)

    def context(self) -> ssl.SSLContext:
        """Return the TLS context of outgoing associations. Raises InvalidSetting when its files cannot be used."""
        return _context(self.tls)


@cache
def _context(tls: Tls) -> ssl.SSLContext:
    return client_context(tls)
