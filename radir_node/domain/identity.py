"""Pseudonyms of patients and cases: keyed hashes, stable at one site and meaningless elsewhere."""

import hashlib

from radir_node.domain.study import InstanceHeader


def patient_code(secret: bytes, header: InstanceHeader) -> int:
    """Return the signed 64-bit code of a patient: equal for equal (issuer, Patient ID), keyed by the site's secret.

    A study without Patient ID is its own patient: it must never exclude, or be excluded with, somebody else's.
    """
    patient = f"{header.issuer_of_patient_id.strip()}|{header.patient_id.strip()}"
    identity = patient if header.patient_id.strip() else f"study|{header.study_instance_uid}"
    digest = hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), key=secret, digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def case_id(secret: bytes, study_instance_uid: str, taken: int = 0) -> str:
    """Return the pseudonym that pages and reports show in place of a study, e.g. "RADIR-4F7A21C9B0".

    It is short, to be read out: of a million studies two may well get the same. `taken` counts those that were found
    to belong to another study already.
    """
    identity = study_instance_uid + "'" * taken
    return "RADIR-" + hashlib.blake2b(identity.encode(), key=secret, digest_size=5).hexdigest().upper()
