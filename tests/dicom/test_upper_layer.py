"""The upper layer: association PDUs as pynetdicom writes and reads them, and limits before anything is believed."""

import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import build_context

from dicom_services.dimse.command import MalformedCommand, decode, encode
from dicom_services.dul.connection import Connection, PduType
from dicom_services.dul.errors import Aborted, ProtocolViolation, TimedOut
from dicom_services.dul.pdu import (
    AnsweredContext,
    AssociateRq,
    UserInformation,
    decode_rq,
    encode_ac,
    encode_rq,
)
from dicom_services.dul.request import OfferedIdentity, RequestedContext
from dicom_services.dul.watchdog import Watchdog

CT = "1.2.840.10008.5.1.4.1.1.2"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    made = Watchdog()
    yield made
    made.stop()


@pytest.fixture
def pair(watchdog: Watchdog) -> Iterator[tuple[Connection, socket.socket]]:
    """A connection, and the peer's end of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    connection = Connection(accepted, watchdog, 0.5)
    yield connection, peer
    connection.close()
    peer.close()


def test_requests_are_read_as_pynetdicom_writes_them():
    """Contexts, roles, extended negotiation and user identity are understood as another implementation means them."""
    rq = A_ASSOCIATE()
    rq.application_context_name = "1.2.840.10008.3.1.1.1"
    rq.calling_ae_title, rq.called_ae_title = "VIEWER", "RADIR"
    contexts = [build_context(CT, ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]), build_context(FIND)]
    contexts[0].context_id, contexts[1].context_id = 1, 3
    rq.presentation_context_definition_list = contexts
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received, implementation.implementation_class_uid = 16382, "1.2.3"
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = CT, False, True
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = FIND, b"\1\0\0"
    identity = UserIdentityNegotiation()
    identity.user_identity_type, identity.primary_field, identity.secondary_field = 2, b"doe", b"secret"
    rq.user_information = [length, implementation, role, extended, identity]

    read = decode_rq(A_ASSOCIATE_RQ(rq).encode()[6:])

    assert ("VIEWER", "RADIR") == (read.calling_ae_title, read.called_ae_title)
    assert read.contexts[0] == RequestedContext(1, CT, ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2"))
    assert (16382, {CT: (False, True)}, {FIND: b"\1\0\0"}) == (
        read.user.max_pdu,
        dict(read.user.roles),
        dict(read.user.extended),
    )
    offered = read.user.identity
    assert offered is not None
    assert (2, b"doe", b"secret") == (offered.type, offered.primary, offered.secondary)


def test_answers_are_written_as_pynetdicom_reads_them():
    """Another implementation reads our answer as it is meant."""
    contexts = [AnsweredContext(1, 0, "1.2.840.10008.1.2.1"), AnsweredContext(3, 3, "1.2.840.10008.1.2")]
    ac = encode_ac("RADIR", "VIEWER", contexts, UserInformation(131072, {CT: (False, True)}, {FIND: b"\1"}))

    pdu = A_ASSOCIATE_AC()
    pdu.decode(ac)
    read = pdu.to_primitive()

    results = [(cx.context_id, cx.result) for cx in read.presentation_context_definition_results_list]
    assert results == [(1, 0), (3, 3)]
    assert read.maximum_length_received == 131072


@given(
    st.lists(st.tuples(st.from_regex(r"1\.[0-9]{1,20}", fullmatch=True), st.integers(1, 3)), max_size=20),
    st.binary(max_size=40),
)
@settings(max_examples=50)
def test_a_request_survives_the_way(contexts, secret):
    """Whatever is proposed is read as it was written."""
    proposed = tuple(
        RequestedContext(2 * n + 1, uid, tuple(f"1.2.{k}" for k in range(count)))
        for n, (uid, count) in enumerate(contexts)
    )
    identity = OfferedIdentity(2, b"user", secret, True)
    rq = AssociateRq("CALLED", "CALLING", proposed, UserInformation(4096, {CT: (True, True)}, {}, identity))

    read = decode_rq(encode_rq(rq)[6:])

    assert proposed == read.contexts
    assert read.user.identity == identity


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_garbage_is_a_violation(data):
    """Bytes that are no request are refused as such, never by another error."""
    try:
        decode_rq(data)
        decode_rq(bytes(68) + data)
    except ProtocolViolation:
        return


@given(
    st.dictionaries(
        st.sampled_from(["MessageID", "Status", "CommandField", "AffectedSOPClassUID", "ErrorComment"]),
        st.integers(0, 65535),
    )
)
def test_command_sets_survive_the_way(values):
    """A command set is read as it was written."""
    texts = {"AffectedSOPClassUID", "ErrorComment"}
    command = {keyword: f"1.2.{value}" if keyword in texts else value for keyword, value in values.items()}

    assert command == decode(encode(command))


@given(st.binary(max_size=200))
def test_garbage_is_no_command_set(data):
    """Bytes that are no command set are refused as such."""
    try:
        decode(data)
    except MalformedCommand:
        return


@pytest.mark.parametrize("kind", [0, 8, 255])
def test_unknown_pdu(pair, kind):
    """A PDU of a type that no edition knows ends the association."""
    connection, peer = pair
    peer.sendall(struct.pack(">BxL", kind, 4) + bytes(4))

    with pytest.raises(ProtocolViolation, match="unknown type"):
        connection.read_pdu(1)


@pytest.mark.parametrize("kind", list(PduType))
def test_claimed_length(pair, kind):
    """A PDU that claims 4 GiB is refused by its header alone."""
    connection, peer = pair
    peer.sendall(struct.pack(">BxL", kind, 0xFFFFFFF0))

    with pytest.raises(ProtocolViolation, match="claims 4294967280 bytes"):
        connection.read_pdu(1)


def test_a_byte_at_a_time_does_not_extend_the_deadline(pair):
    """The deadline of a PDU is absolute: bytes that trickle in do not move it."""
    connection, peer = pair
    stop = threading.Event()

    def trickle() -> None:
        peer.sendall(struct.pack(">BxL", 4, 10000))
        while not stop.wait(0.05):
            try:
                peer.sendall(b"\0")
            except OSError:
                return

    threading.Thread(target=trickle, daemon=True).start()
    began = time.monotonic()

    with pytest.raises(TimedOut):
        connection.read_pdu(5)
    stop.set()

    assert time.monotonic() - began < 2


def test_a_peer_that_reads_nothing(pair):
    """Writing has a deadline too."""
    connection, _ = pair

    with pytest.raises(TimedOut):
        for _ in range(1000):
            connection.send(bytes(1 << 20))


def test_a_peer_that_is_gone(pair):
    """A closed connection is an end of its own, told apart from a deadline."""
    connection, peer = pair
    peer.close()

    with pytest.raises(Aborted):
        connection.read_pdu(5)


def test_pdus_in_one_segment_and_in_pieces(pair):
    """PDUs are framed whatever pieces TCP makes of them."""
    connection, peer = pair
    pdus = [struct.pack(">BxL", 4, n) + bytes([n % 256]) * n for n in (6, 70000, 1, 131072, 200)]
    data = b"".join(pdus)

    def send() -> None:
        for at in range(0, len(data), 7777):
            peer.sendall(data[at : at + 7777])

    threading.Thread(target=send, daemon=True).start()

    for pdu in pdus:
        read = connection.read_pdu(5)
        assert pdu[6:] == bytes(read.body)
