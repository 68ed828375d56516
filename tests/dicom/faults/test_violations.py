"""Bytes that the protocol does not allow, and messages that make no sense: each is answered or ends its association."""

import os
import struct
from pathlib import Path

import pytest
from attacked import CONTEXTS, STUDY_LEVEL, reaction
from raw_peer import (
    ABORTING,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    ASSOCIATE_RQ,
    C_ECHO_RQ,
    C_FIND_RQ,
    COMMAND,
    CT_IMAGE,
    LAST,
    NO_DATASET,
    P_DATA,
    RELEASE,
    RELEASE_RP,
    RESPONSE,
    STUDY_FIND,
    VERIFICATION,
    PeerError,
    RawPeer,
    Silent,
    associate_rq,
    command_set,
    echo_rq,
    element,
    find_rq,
    message,
    move_rq,
    pdu,
    pdv,
    store_command,
)

STORE = store_command(CT_IMAGE, "1.2.3.4")
ECHO = command_set(AffectedSOPClassUID=VERIFICATION, CommandField=C_ECHO_RQ, MessageID=1, CommandDataSetType=NO_DATASET)

FIRST = {
    "P-DATA": echo_rq(),
    "A-RELEASE-RQ": RELEASE,
    "A-ABORT": ABORTING,
    "A-ASSOCIATE-AC": pdu(ASSOCIATE_AC, associate_rq(CONTEXTS)[6:]),
    "A-ASSOCIATE-RJ": pdu(ASSOCIATE_RJ, bytes(4)),
    "A-RELEASE-RP": pdu(RELEASE_RP, bytes(4)),
    "type 0": pdu(0, bytes(4)),
    "type 8": pdu(8, bytes(4)),
    "type 255": pdu(255, bytes(4)),
    "an empty request": pdu(ASSOCIATE_RQ),
    "a request without items": pdu(ASSOCIATE_RQ, bytes(68)),
    "an item longer than the request": pdu(ASSOCIATE_RQ, bytes(68) + struct.pack(">BBH", 0x10, 0, 60000)),
    "HTTP": b"GET / HTTP/1.1\r\nHost: node\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
}
"""What may not come before an association is established."""

ESTABLISHED = {
    "a second A-ASSOCIATE-RQ": associate_rq(CONTEXTS),
    "A-ASSOCIATE-AC": pdu(ASSOCIATE_AC, associate_rq(CONTEXTS)[6:]),
    "A-ASSOCIATE-RJ": pdu(ASSOCIATE_RJ, bytes(4)),
    "A-RELEASE-RP": pdu(RELEASE_RP, bytes(4)),
    "an unknown PDU": pdu(8, bytes(4)),
    "a context that was not negotiated": message(9, ECHO),
    "context 0": message(0, ECHO),
    "context 2": message(2, ECHO),
    "a PDV of length 0": pdu(P_DATA, struct.pack(">I", 0) + bytes(8)),
    "a PDV of length 1": pdu(P_DATA, struct.pack(">IB", 1, 1) + bytes(8)),
    "a PDV longer than its PDU": pdu(P_DATA, pdv(1, COMMAND | LAST, ECHO, length=len(ECHO) + 100)),
    "a PDV of 4 GiB": pdu(P_DATA, pdv(1, COMMAND | LAST, ECHO, length=0xFFFFFFFE)),
    "bytes after the last PDV": pdu(P_DATA, pdv(1, COMMAND, ECHO) + b"\0\0\0"),
    "a dataset before its command": pdu(P_DATA, pdv(3, LAST, bytes(100))) + message(3, STORE),
    "a command within a command": pdu(P_DATA, pdv(3, COMMAND, STORE[:20])) + message(1, ECHO),
    "a command within a dataset": pdu(P_DATA, pdv(3, COMMAND | LAST, STORE) + pdv(3, 0, bytes(99))) + echo_rq(),
    "the dataset in another context": pdu(P_DATA, pdv(3, COMMAND | LAST, STORE) + pdv(1, LAST, bytes(100))),
    "a command set of noise": pdu(P_DATA, pdv(1, COMMAND | LAST, os.urandom(200))),
    "an empty command set": pdu(P_DATA, pdv(1, COMMAND | LAST, b"")),
    "no Command Field": message(1, command_set(MessageID=1, CommandDataSetType=NO_DATASET)),
    "no Message ID": message(
        1, command_set(AffectedSOPClassUID=VERIFICATION, CommandField=C_ECHO_RQ, CommandDataSetType=NO_DATASET)
    ),
    "no Data Set Type": message(1, command_set(AffectedSOPClassUID=VERIFICATION, CommandField=C_ECHO_RQ, MessageID=1)),
    "an element longer than the command set": message(1, ECHO + struct.pack("<HHI", 0, 0x900, 60000)),
    "a Message ID of no bytes": message(1, ECHO.replace(element(0x110, b"\1\0"), element(0x110, b""))),
    "a UID that is no text": message(1, ECHO.replace(b"1.2.840", b"\xff\xfe\0\x80\x81\x82\x83")),
    "a response to nothing": message(
        1,
        command_set(
            CommandField=C_ECHO_RQ | RESPONSE, MessageIDBeingRespondedTo=1, CommandDataSetType=NO_DATASET, Status=0
        ),
    ),
    "an unknown command": message(
        1, command_set(CommandField=0x0AAA, MessageID=1, CommandDataSetType=NO_DATASET, AffectedSOPClassUID="1.2.3")
    ),
}
"""What an association does not survive, or what is answered."""


def nested(depth: int) -> bytes:
    """A sequence in a sequence in a sequence, each of undefined length."""
    return (struct.pack("<HHI", 8, 0x1110, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)) * depth


WITHOUT_SENSE = {
    "a C-STORE without a dataset": message(3, store_command(CT_IMAGE, "1.2.3.4", CommandDataSetType=NO_DATASET)),
    "a C-STORE in the context of C-FIND": message(5, STORE, bytes(100)),
    "a C-STORE of another class": message(3, store_command("1.2.840.10008.5.1.4.1.1.4", "1.2.3.4"), bytes(100)),
    "a C-STORE of noise": message(3, STORE, os.urandom(5000)),
    "a C-STORE of nothing": message(3, STORE, b""),
    "a C-STORE that nests without end": message(3, STORE, nested(20000)),
    "a C-STORE whose UID is a path": message(3, store_command(CT_IMAGE, "../../../etc/passwd"), bytes(100)),
    "a C-STORE whose UID is endless": message(3, store_command(CT_IMAGE, "1." + "2" * 9000), bytes(100)),
    "a C-STORE whose UID is empty": message(3, store_command(CT_IMAGE, ""), bytes(100)),
    "a C-FIND of noise": find_rq(5, os.urandom(500)),
    "a C-FIND of nothing": find_rq(5, b""),
    "a C-FIND without an identifier": message(
        5,
        command_set(AffectedSOPClassUID=STUDY_FIND, CommandField=C_FIND_RQ, MessageID=1, CommandDataSetType=NO_DATASET),
    ),
    "a C-FIND that nests without end": find_rq(5, nested(5000)),
    "a C-FIND of a level that is none": find_rq(5, element(0x52, b"PLANET", 8)),
    "a C-FIND whose UID holds a NUL": find_rq(5, STUDY_LEVEL + element(0x000D, b"2.25.\x0031", 0x20)),
    "a C-FIND for what no catalogue can hold": find_rq(5, STUDY_LEVEL + element(0x0010, b"A\0B\xed\xa0\x80", 0x20)),
    "a C-MOVE whose UID holds a NUL": move_rq(7, STUDY_LEVEL + element(0x000D, b"2.25.\x0031", 0x20)),
    "a C-MOVE to nowhere": move_rq(7, STUDY_LEVEL + element(0x000D, b"2.25.3", 0x20)),
    "a C-ECHO with a dataset": message(
        1,
        command_set(AffectedSOPClassUID=VERIFICATION, CommandField=C_ECHO_RQ, MessageID=1, CommandDataSetType=1),
        bytes(100),
    ),
}
"""Well-formed messages that cannot be served."""


def test_what_may_not_come_first(target):
    """Before an association only a well-formed request is taken; everything else ends the connection at once."""
    reactions = {name: reaction(target.port, sent, established=False) for name, sent in FIRST.items()}

    assert {} == {name: how for name, how in reactions.items() if how not in ("aborted", "closed", "rejected")}


def test_what_may_not_come_on_an_association(target):
    """A violation of the protocol is answered by A-ABORT, or by an error; a message to no one may be passed over."""
    reactions = {name: reaction(target.port, sent, established=True) for name, sent in ESTABLISHED.items()}

    allowed = ("aborted", "closed", "answered")
    assert {} == {name: how for name, how in reactions.items() if how not in (*allowed, "goes on")}
    assert {name for name, how in reactions.items() if how == "goes on"} <= {"a response to nothing"}
    assert "aborted" == reactions["a second A-ASSOCIATE-RQ"]
    assert "aborted" == reactions["a context that was not negotiated"]
    assert "aborted" == reactions["an unknown PDU"]


def test_messages_without_sense(target):
    """Requests that cannot be served get a status other than success, or end the association; none is stored."""
    held = stored_in(target.root)
    reactions = {}
    for name, sent in WITHOUT_SENSE.items():
        with RawPeer(target.port, timeout=2) as peer:
            peer.associate(CONTEXTS)
            try:
                status = peer.send(sent).read_message().command.get("Status")
                reactions[name] = "success" if status == 0 else "refused"
            except Silent:
                reactions[name] = "silent"
            except (PeerError, OSError):
                reactions[name] = "ended"

    assert {} == {name: how for name, how in reactions.items() if how == "silent"}
    assert {name for name, how in reactions.items() if how == "success"} <= {"a C-ECHO with a dataset"}
    assert held == stored_in(target.root)


def stored_in(root: Path) -> list[Path]:
    return sorted(root.rglob("*.dcm"))


@pytest.mark.parametrize("sent", [ABORTING, RELEASE], ids=["abort", "release"])
def test_the_orderly_ways_to_leave(target, sent):
    """An abort is answered by closing, a release by its response, within a second."""
    with RawPeer(target.port, timeout=1) as peer:
        how = peer.associate(CONTEXTS).send(sent).ended()

    assert how == ("closed" if sent == ABORTING else "released")
