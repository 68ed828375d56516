"""Everything that must be right before an association is accepted: caller, identity, and a free slot.

Called by reception.py, which knows connections; this knows only values.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dicom_services.dul.request import LOCAL_LIMIT_EXCEEDED, AssociateRequest, Rejection
from dicom_services.scp.admission.access import AccessList, Admission
from dicom_services.scp.admission.association_slots import AssociationSlots
from dicom_services.scp.admission.user_identity import UserIdentities
from radir_node.settings import Dicom


@dataclass(frozen=True, slots=True)
class Welcome:
    """The caller may come in."""

    admission: Admission
    identity_response: bytes | None
    """Server response of user identity negotiation; None = none is due."""


@dataclass(frozen=True)
class Doorkeeper:
    """Judges association requests. One per process; the slots are shared by all processes of a storage root."""

    access: AccessList
    identities: UserIdentities
    slots: AssociationSlots

    @classmethod
    def of(cls, config: Dicom, root: Path) -> Self:
        """Raises InvalidSetting when the configuration names something that cannot be read."""
        slots = AssociationSlots(root / "run" / "associations", config.max_associations)
        return cls(AccessList(config), UserIdentities(config.user_identity), slots)

    @contextmanager
    def judged(self, request: AssociateRequest) -> Iterator[Welcome | Rejection]:
        """Yield what to answer; an accepted caller holds its slot until the context is left."""
        admission = self.access.judge(request)
        if isinstance(admission, Rejection):
            yield admission
            return
        identity = self.identities.check(request.identity)
        if isinstance(identity, Rejection):
            yield identity
            return
        slot = self.slots.take(admission.counted_as, admission.max_associations, leave=admission.left_to_peers)
        if slot is None:
            yield LOCAL_LIMIT_EXCEEDED
            return
        with slot:
            yield Welcome(admission, identity.response)
