"""Asks the PACS how large a study is, so that a quiet study is indexed when all of it is here. Called by the worker."""

from dataclasses import dataclass

from dicom_services.scu.caller import Caller
from dicom_services.scu.find import count_at
from radir_node.settings import Dicom, Peer


@dataclass(frozen=True)
class PacsCount:
    """Implements radir_node.catalog.completion.Verifier by C-FIND."""

    peer: Peer
    caller: Caller

    def expected_instances(self, study_instance_uid: str) -> int | None:
        return count_at(self.peer, self.caller, study_instance_uid)


def pacs_count(dicom: Dicom) -> PacsCount | None:
    """Return the count at dicom.verify_with; None where no peer is named: studies are complete by their timers then."""
    return PacsCount(dicom.peers[dicom.verify_with], Caller.of(dicom)) if dicom.verify_with else None
