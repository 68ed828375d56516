"""The conformance statement says what the server does."""

from collections.abc import Sequence

import pytest
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless
from pynetdicom import AE
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext, build_context, build_role

from dicom_services.conformance import STATEMENT, statement
from dicom_services.contexts import STORAGE, STORED_TRANSFER_SYNTAXES, TABLE, Row
from dicom_services.scu.association import MAX_CONTEXTS


def negotiate(
    node, contexts: list[PresentationContext], roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = ()
) -> list[PresentationContext]:
    """Open an association with the contexts; return what was accepted."""
    association = AE("TEST").associate(
        node.peer.host, node.peer.port, contexts=contexts, ae_title="RADIR", ext_neg=list(roles)
    )
    assert association.is_established
    accepted = list(association.accepted_contexts)
    association.release()
    return accepted


def batches(rows: Sequence[Row]) -> list[Sequence[Row]]:
    return [rows[i : i + MAX_CONTEXTS] for i in range(0, len(rows), MAX_CONTEXTS)]


@pytest.mark.requirement("RN-18")
def test_statement_is_current():
    """CONFORMANCE.md is what `python -m dicom_services.conformance` writes."""
    assert statement() == STATEMENT.read_text(encoding="utf-8")


def test_statement_names_every_row():
    """Every SOP class and transfer syntax of the table is in the document."""
    text = STATEMENT.read_text(encoding="utf-8")

    missing = {uid for row in TABLE for uid in (row.sop_class_uid, *row.transfer_syntax_uids) if f"`{uid}`" not in text}
    assert missing == set()


@pytest.mark.requirement("RN-18")
@pytest.mark.parametrize("rows", batches(TABLE), ids=lambda rows: f"{len(rows)} rows")
def test_every_row_is_accepted(node, rows):
    """A live association accepts every SOP class of the table, in the first of its transfer syntaxes."""
    accepted = negotiate(node, [build_context(row.sop_class_uid, list(row.transfer_syntax_uids)) for row in rows])

    expected = [(row.sop_class_uid, row.transfer_syntax_uids[0]) for row in rows]
    assert sorted(expected) == sorted((cx.abstract_syntax, cx.transfer_syntax[0]) for cx in accepted)


def test_every_transfer_syntax_is_accepted(node):
    """A live association accepts every transfer syntax of the storage classes when it is the only one offered."""
    sop_class = STORAGE[0].sop_class_uid

    accepted = negotiate(node, [build_context(sop_class, [UID(uid)]) for uid in STORED_TRANSFER_SYNTAXES])

    assert sorted(STORED_TRANSFER_SYNTAXES) == sorted(str(cx.transfer_syntax[0]) for cx in accepted)


@pytest.mark.parametrize(
    "offered", [[JPEG2000Lossless, ExplicitVRLittleEndian], [ExplicitVRLittleEndian, JPEG2000Lossless]]
)
def test_the_peer_decides_between_transfer_syntaxes(node, offered):
    """Of several transfer syntaxes in a context the peer's first is taken, so that nothing is converted on the way."""
    (accepted,) = negotiate(node, [build_context(STORAGE[0].sop_class_uid, offered)])

    assert offered[0] == accepted.transfer_syntax[0]


@pytest.mark.parametrize("rows", batches(STORAGE), ids=lambda rows: f"{len(rows)} rows")
def test_storage_roles_for_get(node, rows):
    """For C-GET the node takes the SCU role of every storage class when it is asked to."""
    contexts = [build_context(row.sop_class_uid) for row in rows]
    roles = [build_role(row.sop_class_uid, scp_role=True) for row in rows]

    accepted = negotiate(node, contexts, roles)

    assert len(rows) == len(accepted)
    assert all(cx.as_scp for cx in accepted)
