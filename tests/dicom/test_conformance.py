"""The conformance statement says what the server does: compared with its tables, and with live associations."""

import re
import time
from collections.abc import Sequence

import pytest
from pydantic import BaseModel
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless
from pynetdicom import AE
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation, SOPClassExtendedNegotiation
from pynetdicom.presentation import PresentationContext, build_context, build_role

from dicom_services.conformance.document import status
from dicom_services.conformance.statement import STATEMENT, statement
from dicom_services.contexts import NOTIFICATIONS, STORAGE, STORED_TRANSFER_SYNTAXES, TABLE, Row, Service
from dicom_services.dimse.status import Status
from dicom_services.dul.requestor import MAX_CONTEXTS, propose, request_association
from dicom_services.scp.requests import Ports, requests
from dicom_services.scp.storage.spool import Spool
from dicom_services.scp.storage.store import StoreStatus
from radir_node.settings import Dicom, Peer, Timeouts, Tls, UserIdentity

OUTLINE = (
    "1 Overview",
    "1.1 Content and Transfer",
    "1.2 DIMSE Services",
    "1.3 DICOM Web Services",
    "1.4 Media Services",
    "2 Table of Contents",
    "3 Introduction",
    "4 Implementation Model",
    "5 Service and Interoperability Description",
    "5.1 Mapping of Services to Application Entities",
    "5.2 Supported DIMSE Services",
    "5.2.2 Modality Performed Procedure Step Service",
    "5.2.4 Instance Availability Notification Service",
    "5.2.5 Storage Service",
    "5.2.6 Storage Commitment Service",
    "5.2.7 Query/Retrieve Service",
    "5.7 Specific Character Sets",
    "6 Configuration",
    "6.1 General Configuration Parameters",
    "7 Network and Media Communication Details",
    "7.1.1 General Association Parameters",
    "7.3 Status Codes",
    "8 Security",
    "8.4 DICOM Security Profiles Support",
    "8.5 User Identity Negotiation Support",
    "Annex A.A Information Object Definitions",
    "Annex A.E Code Set Usage",
)
"""Headings of PS3.2 Annex N, as far as a reader looks for them by their numbers."""


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


@pytest.fixture(scope="module")
def text() -> str:
    return STATEMENT.read_text(encoding="utf-8")


@pytest.mark.requirement("RN-18")
def test_statement_is_current(text):
    """CONFORMANCE.md is what `python -m dicom_services.conformance` writes."""
    assert statement() == text


def test_statement_has_the_outline_of_the_standard(text):
    """The headings of PS3.2 Annex N are there, in their order and with their numbers."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)

    assert list(OUTLINE) == [heading for heading in headings if heading in OUTLINE]


def test_statement_names_every_row(text):
    """Every SOP class and transfer syntax of the table is in the document."""
    missing = {uid for row in TABLE for uid in (row.sop_class_uid, *row.transfer_syntax_uids) if f"`{uid}`" not in text}

    assert missing == set()


def test_statement_names_every_status(text):
    """Every status that a service can send has its line under Status Codes."""
    codes = text[text.index("### 7.3 Status Codes") :]

    missing = {each for each in (*Status, *StoreStatus) if f"| {status(each)} |" not in codes}

    assert missing == set()


@pytest.mark.parametrize("section", [Dicom, Timeouts, Peer, Tls, UserIdentity], ids=lambda section: section.__name__)
def test_statement_names_every_setting(text, section):
    """Every key that an administrator can set is in the section on configuration."""
    fields = section.model_fields.items()
    plain = {name for name, field in fields if not isinstance(field.get_default(call_default_factory=True), BaseModel)}

    listed = set(re.findall(r"^\| `dicom\.(?:[\w.]+\.)?(\w+)` \|", text, re.MULTILINE))

    assert plain <= listed


@pytest.mark.requirement("RN-18")
@pytest.mark.parametrize("rows", batches(TABLE), ids=lambda rows: f"{len(rows)} rows")
def test_every_row_is_accepted(node, rows):
    """A live association of another implementation is accepted for every SOP class, in its first transfer syntax."""
    accepted = negotiate(node, [build_context(row.sop_class_uid, list(row.transfer_syntax_uids)) for row in rows])

    expected = [(row.sop_class_uid, row.transfer_syntax_uids[0]) for row in rows]
    assert sorted(expected) == sorted((cx.abstract_syntax, cx.transfer_syntax[0]) for cx in accepted)


@pytest.mark.requirement("RN-18")
def test_every_transfer_syntax_of_every_row_is_accepted(node):
    """Each SOP class in each of its transfer syntaxes, every pair a context of its own: all accepted, in seconds."""
    pairs = [(row.sop_class_uid, (syntax,)) for row in TABLE for syntax in row.transfer_syntax_uids]
    started = time.monotonic()

    accepted = set()
    for at in range(0, len(pairs), MAX_CONTEXTS):
        contexts = propose(pairs[at : at + MAX_CONTEXTS])
        association = request_association(node.peer, "TEST", contexts, Timeouts())
        accepted |= {(each.abstract_syntax, (each.transfer_syntax,)) for each in association.contexts.values()}
        association.release()

    assert set(pairs) == accepted
    assert time.monotonic() - started < 30


def test_every_stored_transfer_syntax_is_accepted_from_another_implementation(node):
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


@pytest.mark.parametrize("row", [row for row in TABLE if row.service is not Service.STORE], ids=lambda row: row.name)
def test_role_selection_is_answered_as_stated(node, text, row):
    """The SCP role is granted to a caller where the statement says that the node takes the SCU role, and only there."""
    stated = next(line for line in text.splitlines() if f"`{row.sop_class_uid}` | {row.service} |" in line)

    accepted = negotiate(node, [build_context(row.sop_class_uid)], [build_role(row.sop_class_uid, True, True)])

    assert ["SCU by role selection" in stated] == [bool(cx.as_scp) for cx in accepted]


@pytest.mark.parametrize("row", [row for row in TABLE if row.service in (Service.FIND, Service.MOVE, Service.GET)])
def test_extended_negotiation_is_answered_as_stated(node, text, row):
    """A caller that asks for every option gets those that the statement lists as agreed."""
    stated = re.findall(rf"^\| {re.escape(row.name)} \| \d \| [^|]+ \| (\w+) \|$", text, re.MULTILINE)
    asked = SOPClassExtendedNegotiation()
    asked.sop_class_uid = row.sop_class_uid
    asked.service_class_application_information = b"\1" * len(stated)

    association = AE("TEST").associate(
        node.peer.host, node.peer.port, contexts=[build_context(row.sop_class_uid)], ae_title="RADIR", ext_neg=[asked]
    )
    answer = association.acceptor.sop_class_extended[row.sop_class_uid]
    association.release()

    assert ["agreed" if byte else "declined" for byte in answer] == stated


def test_what_is_not_in_the_table_is_turned_down_as_stated(start_node):
    """An unknown SOP class, an unknown transfer syntax and a service that is not permitted have a result each."""
    node = start_node(unknown_callers=("store",))
    contexts = [
        build_context("1.2.840.10008.5.1.4.31"),
        build_context(STORAGE[0].sop_class_uid, ["1.2.840.10008.1.2.4.94"]),
        build_context(NOTIFICATIONS[0].sop_class_uid),
        build_context(STORAGE[0].sop_class_uid),
    ]

    association = AE("TEST").associate(node.peer.host, node.peer.port, contexts=contexts, ae_title="RADIR")
    turned_down = {cx.context_id: cx.result for cx in association.rejected_contexts}
    association.release()

    assert {1: 3, 3: 4, 5: 1} == turned_down


def test_every_request_of_a_service_is_stated(node, text):
    """Every command that the server answers stands in a heading of the status codes."""
    ports = Ports(node.held, node.held, node.held, node.promises, node.promises, node.promises)
    answered = {field.name for _, field in requests(ports, Dicom(), node.server.flush, Spool(node.root))}

    headings = " ".join(re.findall(r"^#+ 7\.3\.2\.\d+ (.+)$", text, re.MULTILINE))

    assert {name for name in answered if name.replace("_", "-") not in headings} == set()
