"""Valid conversations, and what can be made wrong in one of their PDUs: lengths, types, order, repetition, noise.

Knows the structure of what it breaks (PS3.8 9.3, PS3.7 6.3), so that a change often gets past the outer checks.
"""

import random
import struct
from collections.abc import Callable
from typing import NamedTuple

from raw_peer import (
    ABORTING,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    C_CANCEL_RQ,
    C_GET_RQ,
    C_MOVE_RQ,
    COMMAND,
    CT_IMAGE,
    DATASET,
    EXPLICIT,
    IMPLICIT,
    LAST,
    N_ACTION_RQ,
    NO_DATASET,
    P_DATA,
    RELEASE,
    RELEASE_RP,
    STORAGE_COMMITMENT,
    STUDY_FIND,
    STUDY_GET,
    STUDY_MOVE,
    VERIFICATION,
    associate_rq,
    command_set,
    ct_slice,
    echo_rq,
    element,
    explicit,
    find_rq,
    item,
    message,
    pdu,
    pdv,
    role_selection,
    store_command,
)

CONTEXTS = [
    (VERIFICATION, (IMPLICIT,)),
    (CT_IMAGE, (EXPLICIT, IMPLICIT)),
    (STUDY_FIND, (IMPLICIT,)),
    (STUDY_MOVE, (IMPLICIT,)),
    (STUDY_GET, (EXPLICIT,)),
    (STORAGE_COMMITMENT, (IMPLICIT,)),
]
"""Context ids 1, 3, 5 ... 11."""

STORE_CONTEXTS = CONTEXTS[:2]
"""What a store worker serves by itself."""

NUMBERS = (
    0,
    1,
    2,
    3,
    5,
    7,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0x8000,
    0xFFFE,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
)
"""Lengths and values at the edges of what holds them."""


ITEM_TYPES = (0x10, 0x20, 0x21, 0x30, 0x40, 0x50, 0x51, 0x53, 0x54, 0x56, 0x58, 0x59, 0xFF)


class Step(NamedTuple):
    """One message of a caller, as PDUs."""

    name: str
    pdus: tuple[bytes, ...]


def request(contexts: list[tuple[str, tuple[str, ...]]]) -> bytes:
    """An association request with every kind of item."""
    identity = item(0x58, b"\x02\x00" + struct.pack(">H", 4) + b"user" + struct.pack(">H", 4) + b"pass")
    extended = item(0x56, struct.pack(">H", len(STUDY_FIND)) + STUDY_FIND.encode() + b"\x01\x00\x01")
    window = item(0x53, struct.pack(">HH", 1, 1))
    return associate_rq(
        contexts, "FUZZER", user_items=role_selection(CT_IMAGE, True, True) + identity + extended + window
    )


def study_query() -> bytes:
    """An identifier in Implicit VR Little Endian with each kind of matching."""
    return b"".join(
        (
            element(0x0020, b"20200101-20261231 ", 0x0008),
            element(0x0050, b"", 0x0008),
            element(0x0052, b"STUDY ", 0x0008),
            element(0x0061, b"CT\\MR ", 0x0008),
            element(0x0010, b"FUZZ* ", 0x0010),
            element(0x0020, b"", 0x0010),
            element(0x000D, b"2.25.31\x002.25.33\\2.25.34", 0x0020),
        )
    )


def split(data: bytes) -> tuple[bytes, ...]:
    """Part a byte string into its PDUs."""
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at + 2)
        found.append(data[at : at + 6 + length])
        at += 6 + length
    return tuple(found)


def steps(rng: random.Random, contexts: list[tuple[str, tuple[str, ...]]]) -> list[Step]:
    """What a caller may say on an association with these contexts, right in every byte; in random order."""
    uid = f"2.25.{rng.getrandbits(100)}"

    def asks(context_id: int, sop_class: str, field: int, keys: bytes, **more: int | str) -> bytes:
        values: dict[str, int | str] = {
            "AffectedSOPClassUID": sop_class,
            "CommandField": field,
            "MessageID": 7,
            "Priority": 0,
            "CommandDataSetType": DATASET,
            **more,
        }
        return message(context_id, command_set(**values), keys)

    one_study = element(0x0052, b"STUDY ", 0x0008) + element(0x000D, b"2.25.31\0", 0x0020)
    one_study_explicit = explicit(0x0008, 0x0052, b"CS", b"STUDY ") + explicit(0x0020, 0x000D, b"UI", b"2.25.31")
    references = element(0x1150, CT_IMAGE.encode() + b"\0", 8) + element(0x1155, b"2.25.35\0", 8)
    reference_item = struct.pack("<HHI", 0xFFFE, 0xE000, len(references)) + references
    commitment = element(0x1195, b"2.25.36\0", 8) + element(0x1199, reference_item, 8)
    action = command_set(
        RequestedSOPClassUID=STORAGE_COMMITMENT,
        CommandField=N_ACTION_RQ,
        MessageID=9,
        CommandDataSetType=DATASET,
        RequestedSOPInstanceUID="1.2.840.10008.1.20.1.1",
        ActionTypeID=1,
    )
    cancel = command_set(CommandField=C_CANCEL_RQ, MessageIDBeingRespondedTo=7, CommandDataSetType=NO_DATASET)
    slice_ = ct_slice(uid)
    found = [
        Step("echo", split(echo_rq())),
        Step("store", split(message(3, store_command(CT_IMAGE, uid), slice_))),
        Step("store in fragments", split(message(3, store_command(CT_IMAGE, uid), slice_, 100))),
        Step("find", split(find_rq(5, study_query()))),
        Step("find and cancel", split(find_rq(5, study_query()) + message(5, cancel))),
        Step("move", split(asks(7, STUDY_MOVE, C_MOVE_RQ, one_study, MoveDestination="NOWHERE"))),
        Step("get", split(asks(9, STUDY_GET, C_GET_RQ, one_study_explicit))),
        Step("commitment", split(message(11, action, commitment))),
        Step("release", (RELEASE,)),
        Step("abort", (ABORTING,)),
        Step("release response", (pdu(RELEASE_RP, bytes(4)),)),
        Step("rejection", (pdu(ASSOCIATE_RJ, b"\0\1\1\1"),)),
        Step("acceptance", (pdu(ASSOCIATE_AC, associate_rq(CONTEXTS)[6:]),)),
        Step("request", (request(CONTEXTS),)),
    ]
    proposed = {2 * number + 1 for number in range(len(contexts))}
    found = [step for step in found if step.pdus[0][0] != P_DATA or step.pdus[0][10] in proposed]
    rng.shuffle(found)
    return found


Mutation = Callable[[random.Random, bytes], bytes]
"""One PDU -> another."""


def mutated(rng: random.Random, original: bytes) -> bytes:
    """Return the PDU with one to three things wrong; never the same PDU."""
    changed = original
    while changed == original:
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            changed = rng.choice(MUTATIONS)(rng, changed)
    return changed


def a_number(rng: random.Random, bits: int, near: int) -> int:
    return (rng.choice((*NUMBERS, near - 1, near + 1, near * 2, rng.getrandbits(bits)))) % (1 << bits)


def flip_bits(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8) if data else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def set_bytes(rng: random.Random, data: bytes) -> bytes:
    if not data:
        return b"\0"
    at = rng.randrange(len(data))
    count = rng.choice((1, 2, 4, 16))
    return data[:at] + rng.choice((b"\0", b"\xff", b"\x7f", b"\\", b" ")) * count + data[at + count :]


def change_type(rng: random.Random, data: bytes) -> bytes:
    return bytes([rng.choice((*range(10), rng.randrange(256)))]) + data[1:]


def change_length(rng: random.Random, data: bytes) -> bytes:
    return data[:2] + struct.pack(">I", a_number(rng, 32, max(0, len(data) - 6))) + data[6:]


def truncate(rng: random.Random, data: bytes) -> bytes:
    """With its length left as it was: the next bytes sent become part of it."""
    return data[: rng.randrange(len(data) + 1)]


def shorten(rng: random.Random, data: bytes) -> bytes:
    """With its length made right."""
    return again(data, data[6 : rng.randrange(6, len(data) + 1)]) if len(data) > 6 else data


def lengthen(rng: random.Random, data: bytes) -> bytes:
    return again(data, data[6:] + rng.randbytes(rng.choice((1, 4, 100, 5000))))


def noise(rng: random.Random, data: bytes) -> bytes:
    return again(data, rng.randbytes(rng.randrange(max(1, len(data)))))


def again(original: bytes, body: bytes) -> bytes:
    """A PDU of the same type with another body."""
    return pdu(original[0] if original else P_DATA, body)


def in_items(rng: random.Random, data: bytes) -> bytes:
    """Break one item of an association PDU, or one PDV and what it holds."""
    if len(data) < 12:
        return flip_bits(rng, data)
    return in_pdv(rng, data) if data[0] == P_DATA else again(data, data[6:74] + change_items(rng, data[74:]))


def change_items(rng: random.Random, data: bytes) -> bytes:
    items = parted(data, ">xxH", 4)
    whole = [at for at, one in enumerate(items) if len(one) >= 4]
    if not whole:
        return set_bytes(rng, data)
    at = rng.choice(whole)
    one = items[at]
    how = rng.randrange(7)
    if how == 0:
        items[at] = one[:2] + struct.pack(">H", a_number(rng, 16, len(one) - 4)) + one[4:]
    elif how == 1:
        items[at] = (
            bytes([rng.choice((0x10, 0x20, 0x21, 0x30, 0x40, 0x50, 0x51, 0x54, 0x56, 0x58, 0x59, 0xFF))]) + one[1:]
        )
    elif how == 2:
        items[at : at + 1] = [one] * rng.choice((2, 3, 130))
    elif how == 3:
        del items[at]
    elif how == 4:
        rng.shuffle(items)
    elif how == 5 and one[0] in (0x20, 0x21) and len(one) > 8:  # the syntaxes within a presentation context
        items[at] = item(one[0], one[4:8] + change_items(rng, one[8:]))
    elif how == 5 and one[0] == 0x50:  # the sub-items of the user information
        items[at] = item(0x50, change_items(rng, one[4:]))
    else:
        items[at] = item(one[0], flip_bits(rng, one[4:]))
    return b"".join(items)


def in_pdv(rng: random.Random, data: bytes) -> bytes:
    values = parted(data[6:], ">I", 4)
    whole = [at for at, value in enumerate(values) if len(value) >= 6]
    if not whole:
        return flip_bits(rng, data)
    at = rng.choice(whole)
    one = values[at]
    context_id, flags, held = one[4], one[5], one[6:]
    how = rng.randrange(8)
    if how == 0:
        values[at] = pdv(context_id, flags, held, length=a_number(rng, 32, len(held) + 2))
    elif how == 1:
        values[at] = pdv(rng.choice((0, 1, 2, 3, 5, 13, 255)), flags, held)
    elif how == 2:
        values[at] = pdv(context_id, rng.choice((0, 1, 2, 3, 4, 0xFF)), held)
    elif how == 3:
        values[at : at + 1] = [one] * rng.choice((2, 20))
    elif how == 4:
        middle = rng.randrange(len(held) + 1)
        values[at : at + 1] = [pdv(context_id, flags & ~LAST, held[:middle]), pdv(context_id, flags, held[middle:])]
    elif flags & COMMAND or context_id != 3:
        values[at] = pdv(context_id, flags, change_elements(rng, held))
    else:
        values[at] = pdv(context_id, flags, set_bytes(rng, flip_bits(rng, held)))
    return again(data, b"".join(values))


def change_elements(rng: random.Random, data: bytes) -> bytes:
    """Break one element of a command set or of an identifier in Implicit VR Little Endian."""
    elements = parted(data, "<xxxxI", 8)
    whole = [at for at, one in enumerate(elements) if len(one) >= 8]
    if not whole:
        return set_bytes(rng, data)
    at = rng.choice(whole)
    one = elements[at]
    how = rng.randrange(8)
    if how == 0:
        elements[at] = one[:4] + struct.pack("<I", a_number(rng, 32, len(one) - 8)) + one[8:]
    elif how == 1:
        elements[at] = struct.pack("<HH", rng.choice((0, 8, 0x10, 0xFFFE)), a_number(rng, 16, one[2])) + one[4:]
    elif how == 2:
        elements[at : at + 1] = [one] * rng.choice((2, 3, 500))
    elif how == 3:
        del elements[at]
    elif how == 4:
        rng.shuffle(elements)
    elif how == 5:
        value = rng.choice((b"", b"\0", b"*" * 64, b"\\" * 50, b"9" * 70, b"\xff\xfe" * 10, b"-", rng.randbytes(30)))
        elements[at] = one[:4] + struct.pack("<I", len(value)) + value
    elif how == 6 and one[2:4] in (b"\0\1", b"\x10\1", b"\0\x08"):  # Command Field, Message ID, Data Set Type
        elements[at] = one[:8] + struct.pack("<H", a_number(rng, 16, 0x30))
    else:
        elements[at] = one[:8] + flip_bits(rng, one[8:])
    return b"".join(elements)


def parted(data: bytes, header: str, size: int) -> list[bytes]:
    """Cut into pieces that each begin with their length; what does not fit is the last piece."""
    found, at = [], 0
    while at + size <= len(data):
        (length,) = struct.unpack_from(header, data, at)
        found.append(data[at : at + size + length])
        at += size + length
    return found + ([data[at:]] if at < len(data) else [])


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    set_bytes,
    change_type,
    change_length,
    truncate,
    shorten,
    lengthen,
    noise,
    *[in_items] * 8,  # the deeper, the more often
)
