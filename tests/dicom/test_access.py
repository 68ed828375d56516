"""Who may associate with the node, from where, and what for: access.py and host_names.py."""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage, StudyRootQueryRetrieveInformationModelFind, Verification

from dicom_services.dul.request import AssociateRequest, Rejection
from dicom_services.scp.admission.access import AccessList, Admission
from dicom_services.scp.admission.host_names import HostNames, parse_address
from radir_node.errors import InvalidSetting
from radir_node.settings import Dicom

DICOM = "1.2.840.10008.3.1.1.1"
PACS = {"ae_title": "PACS", "host": "10.0.0.5", "port": 104}


def request(calling: str = "PACS", address: str = "10.0.0.5", **changed: Any) -> AssociateRequest:
    """An association request as a PACS would send it."""
    standard = {
        "called_ae_title": "RADIR",
        "application_context": DICOM,
        "protocol_version": 1,
        "contexts": (),
        "max_pdu": 16384,
        "roles": {},
        "extended": {},
    }
    return AssociateRequest(calling_ae_title=calling, address=address, **(standard | changed))


def access(peers: Mapping[str, object] | None = None, names: HostNames | None = None, **settings: object) -> AccessList:
    return AccessList(Dicom.model_validate({"peers": peers or {}} | settings), names)


def certificate(common_name: str, *dns_names: str) -> dict[str, object]:
    """What ssl.SSLSocket.getpeercert() returns, as far as it is read."""
    return {
        "subject": ((("organizationName", "Hospital"),), (("commonName", common_name),)),
        "subjectAltName": (*(("DNS", name) for name in dns_names), ("IP Address", "10.0.0.5")),
    }


def code(verdict: Admission | Rejection) -> tuple[int, int, int] | str | None:
    """(result, source, reason) of a rejection, the peer's name of an admission, "unknown" where there is none."""
    if isinstance(verdict, Rejection):
        return verdict.result, verdict.source, verdict.reason
    return verdict.peer_name or "unknown"


REASON_NOT_GIVEN, CONTEXT_NAME, CALLING, CALLED = (1, 1, 1), (1, 1, 2), (1, 1, 3), (1, 1, 7)
PROTOCOL_VERSION, CONGESTION = (1, 2, 2), (2, 3, 1)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "pacs"),
        ({"protocol_version": 0}, PROTOCOL_VERSION),
        ({"protocol_version": 2}, PROTOCOL_VERSION),
        ({"protocol_version": 3}, "pacs"),
        ({"application_context": "1.2.840.10008.3.1.1.2"}, CONTEXT_NAME),
        ({"application_context": ""}, CONTEXT_NAME),
        ({"called_ae_title": ""}, CALLED),
        ({"called_ae_title": "RA\\DIR"}, CALLED),
        ({"called_ae_title": "RAD\u00cfR"}, CALLED),
        ({"called_ae_title": "ELSE"}, "pacs"),
        ({"calling": ""}, CALLING),
        ({"calling": "   "}, CALLING),
        ({"calling": "PA\\CS"}, CALLING),
        ({"calling": "PA\nCS"}, CALLING),
        ({"calling": "PACS\n"}, CALLING),
        ({"calling": "PA\x1bCS"}, CALLING),
        ({"calling": "P\u00c4CS"}, CALLING),
        ({"calling": "PA\x7fCS"}, CALLING),
        ({"calling": "SEVENTEEN_LETTERS"}, CALLING),
        ({"calling": "SIXTEEN__LETTERS"}, "unknown"),
        ({"calling": " PACS "}, "pacs"),
        ({"calling": "pacs"}, "unknown"),
        ({"address": "10.0.0.6"}, CALLING),
        ({"address": "::ffff:10.0.0.5"}, "pacs"),
        ({"address": "::ffff:10.0.0.6"}, CALLING),
        ({"address": ""}, CALLING),
        ({"calling": "MODALITY", "address": "10.0.0.6"}, "unknown"),
    ],
)
def test_every_fault_of_a_request_has_its_code(changed: dict[str, Any], expected: object) -> None:
    """A request is admitted as its peer, as unknown, or rejected with result, source and reason of PS3.8 9.3.4."""
    rules = access({"pacs": PACS})

    verdict = rules.judge(request(**changed))

    assert expected == code(verdict)


@pytest.mark.parametrize(("called", "expected"), [("RADIR", "unknown"), (" RADIR", "unknown"), ("radir", CALLED)])
def test_the_called_ae_title_can_be_required(called: str, expected: object) -> None:
    """With require_called_ae_title, callers must name this node, with regard to case and without to padding."""
    rules = access(require_called_ae_title=True)

    verdict = rules.judge(request(called_ae_title=called))

    assert expected == code(verdict)


def test_unknown_callers_get_what_the_settings_grant() -> None:
    """An AE title that is no peer may do what unknown_callers says; with none of it, it is rejected."""
    granted = access(unknown_callers=["echo"]).judge(request())
    rejected = access(unknown_callers=[]).judge(request())

    assert isinstance(granted, Admission)
    assert frozenset({"echo"}) == granted.verbs
    assert "PACS" == granted.calling_ae_title
    assert CALLING == code(rejected)


def test_a_peer_gets_what_its_entry_grants() -> None:
    """Verbs, limits and character set of an admission are those of the peer."""
    limits = {"allow": ["find"], "find_limit": 7, "character_set": "ISO_IR 144", "max_associations": 3}

    verdict = access({"pacs": PACS | limits}).judge(request())

    assert Admission("pacs", "PACS", frozenset({"find"}), 7, "ISO_IR 144", 3) == verdict


def test_a_peer_that_may_do_nothing_is_rejected() -> None:
    """allow = [] locks an AE title out, though unknown callers may store."""
    verdict = access({"pacs": PACS | {"allow": []}}).judge(request())

    assert REASON_NOT_GIVEN == code(verdict)


@pytest.mark.parametrize(
    ("addresses", "address", "expected"),
    [
        (["10.1.0.0/16"], "10.1.200.3", "pacs"),
        (["10.1.0.0/16"], "10.2.0.1", CALLING),
        (["10.1.0.0/16"], "10.0.0.5", CALLING),
        (["10.1.7.9/16"], "10.1.200.3", "pacs"),
        (["192.0.2.1", "10.1.0.0/16"], "192.0.2.1", "pacs"),
        (["*"], "203.0.113.77", "pacs"),
        (["2001:db8::/32"], "2001:db8:1::9", "pacs"),
        (["2001:db8::/32"], "2001:db9::9", CALLING),
        (["fe80::5"], "fe80::5%eth0", "pacs"),
        (["::ffff:10.9.9.9"], "10.9.9.9", "pacs"),
    ],
)
def test_addresses_say_where_an_ae_title_comes_from(addresses: list[str], address: str, expected: object) -> None:
    """Addresses, networks and "*" take the place of the peer's host, in IPv4 and IPv6."""
    rules = access({"pacs": PACS | {"addresses": addresses}})

    verdict = rules.judge(request(address=address))

    assert expected == code(verdict)


def test_peers_may_share_an_ae_title() -> None:
    """Of peers with one AE title, the most exactly addressed one that fits is taken, in whatever order they stand."""
    shared = {"port": 104, "ae_title": "STORESCU"}
    rules = access(
        {
            "anywhere": shared | {"host": "10.9.9.9", "addresses": ["*"], "allow": ["echo"]},
            "ward": shared | {"host": "10.9.9.9", "addresses": ["10.1.0.0/16"]},
            "scanner": shared | {"host": "10.1.2.3"},
        }
    )

    found = [code(rules.judge(request("STORESCU", at))) for at in ("10.1.2.3", "10.1.2.4", "203.0.113.7")]

    assert ["scanner", "ward", "anywhere"] == found


def test_unknown_callers_leave_room_for_peers() -> None:
    """Where there are peers, callers under invented AE titles may not take all associations."""
    alone = access().judge(request())
    beside = access({"pacs": PACS}).judge(request("INVENTED"))
    peer = access({"pacs": PACS}).judge(request())

    assert isinstance(alone, Admission) and isinstance(beside, Admission) and isinstance(peer, Admission)
    assert (0, 16, 0) == (alone.left_to_peers, beside.left_to_peers, peer.left_to_peers)
    assert ("caller INVENTED", "peer pacs") == (beside.counted_as, peer.counted_as)


@pytest.mark.parametrize(
    ("over_tls", "held", "expected"),
    [
        (True, certificate("pacs.hospital.example"), "pacs"),
        (True, certificate("other", "PACS.hospital.example"), "pacs"),
        (True, certificate("PACS.hospital.example"), CALLING),
        (True, certificate("other", "*.hospital.example"), CALLING),
        (True, certificate("other", "xpacs.hospital.example"), CALLING),
        (True, {}, CALLING),
        (True, None, CALLING),
        (False, None, CALLING),
        (False, certificate("pacs.hospital.example"), CALLING),
    ],
)
def test_a_certificate_is_bound_to_its_ae_title(
    over_tls: bool, held: dict[str, object] | None, expected: object
) -> None:
    """A peer with a certificate must show it over TLS: Common Name or DNS name, no wildcards; never over plain TCP."""
    rules = access({"pacs": PACS | {"certificate": "pacs.hospital.example"}})

    verdict = rules.judge(request(over_tls=over_tls, certificate=held))

    assert expected == code(verdict)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"peers": {"pacs": PACS | {"host": "10.0.0"}}}, "dicom.peers.pacs.host"),
        ({"peers": {"pacs": PACS | {"host": ""}}}, "dicom.peers.pacs.host"),
        ({"peers": {"pacs": PACS | {"addresses": ["10.0.0.0/33"]}}}, "dicom.peers.pacs.addresses"),
        ({"peers": {"pacs": PACS | {"addresses": ["10.0.*"]}}}, "dicom.peers.pacs.addresses"),
        ({"peers": {"pacs": PACS | {"ae_title": "PA\\CS"}}}, "dicom.peers.pacs.ae_title"),
        ({"ae_title": "RAD\u00cfR"}, "dicom.ae_title"),
    ],
)
def test_a_setting_that_could_never_match_is_an_error(settings: dict[str, Any], named: str) -> None:
    """What is no address and no AE title is refused when the node starts, by the name of its key."""
    with pytest.raises(InvalidSetting, match=named.replace(".", r"\.")):
        access(**settings)


def test_host_names_are_resolved() -> None:
    """A peer may be configured by name: its addresses count, others do not."""
    names = HostNames(lambda name: frozenset({parse_address("10.0.0.5"), parse_address("2001:db8::5")}))
    rules = access({"pacs": PACS | {"host": "pacs.hospital.example"}}, names)

    found = [code(rules.judge(request(address=at))) for at in ("10.0.0.5", "2001:db8::5", "10.0.0.6")]

    assert ["pacs", "pacs", CALLING] == found


def test_the_systems_resolver_is_asked() -> None:
    """Without a resolver given, localhost is where it always is."""
    rules = access({"pacs": PACS | {"host": "localhost"}})

    assert "pacs" == code(rules.judge(request(address="127.0.0.1")))


def test_a_name_server_that_hangs_holds_nobody_up(wait: Callable[..., None]) -> None:
    """A caller waits for a name for a bounded time, then is asked to come again; nobody asks twice meanwhile."""
    answer = threading.Event()
    asked = []

    def slow(name: str) -> frozenset[Any]:
        asked.append(name)
        answer.wait(30)
        return frozenset({parse_address("10.0.0.5")})

    rules = access({"pacs": PACS | {"host": "pacs.hospital.example"}}, HostNames(slow, wait_seconds=0.05))

    started = time.monotonic()
    verdicts = [code(rules.judge(request())) for _ in range(3)]
    waited = time.monotonic() - started
    answer.set()

    assert [CONGESTION] * 3 == verdicts
    assert waited < 5
    assert ["pacs.hospital.example"] == asked
    wait(lambda: code(rules.judge(request())) == "pacs", 10, lambda: "the answer was never used")


def test_an_old_answer_outlives_the_name_server_and_not_the_name(wait: Callable[..., None]) -> None:
    """A name server that is away changes nothing; a name that is gone takes the peer's addresses with it."""
    trouble: list[int] = []
    asked = []

    def resolve(name: str) -> frozenset[Any]:
        asked.append(name)
        if trouble:
            raise socket.gaierror(trouble[0], "trouble")
        return frozenset({parse_address("10.0.0.5")})

    rules = access({"pacs": PACS | {"host": "pacs.hospital.example"}}, HostNames(resolve, life_seconds=0))

    before = code(rules.judge(request()))
    trouble.append(socket.EAI_AGAIN)
    wait(lambda: bool(rules.judge(request())) and len(asked) > 3, 10, lambda: "the name is not asked for again")
    away = code(rules.judge(request()))
    trouble[0] = socket.EAI_NONAME

    assert ("pacs", "pacs") == (before, away)
    wait(lambda: code(rules.judge(request())) == CALLING, 10, lambda: "a name that is gone still counts")


def rejected_by(node: Any, calling: str, called: str = "RADIR") -> str:
    """What the node says to a C-ECHO of pynetdicom: the rejection as three numbers, or how the echo went."""
    ae = AE(calling)
    ae.add_requested_context(Verification)
    association = ae.associate(*node.server.address, ae_title=called)
    if association.is_rejected:
        answer = association.acceptor.primitive
        return f"rejected {answer.result} {answer.result_source} {answer.diagnostic}"
    assert association.is_established
    status = association.send_c_echo()
    association.release()
    return f"echoed {status.Status}"


def test_the_node_rejects_with_the_codes(start_node: Callable[..., Any]) -> None:
    """Over the network: known AE title from its address, from another, unknown caller, wrong called AE title."""
    peers = {"near": {"ae_title": "NEAR", "host": "127.0.0.1", "port": 104}, "pacs": PACS}
    node = start_node(peers=peers, unknown_callers=[], require_called_ae_title=True)

    found = [
        rejected_by(node, "NEAR"),
        rejected_by(node, "PACS"),
        rejected_by(node, "NOBODY"),
        rejected_by(node, "NEAR", "OTHER"),
    ]

    assert ["echoed 0", "rejected 1 1 3", "rejected 1 1 3", "rejected 1 1 7"] == found


def test_dcmtk_reads_why_it_was_rejected(start_node: Callable[..., Any], tool: Callable[..., Any]) -> None:
    """DCMTK's echoscu gets in as the peer, and is told what is wrong with its AE titles otherwise."""
    near = {"ae_title": "NEAR", "host": "localhost", "port": 104}
    node = start_node(peers={"near": near}, unknown_callers=[], require_called_ae_title=True)
    host, port = node.server.address

    right = tool("echoscu", "-v", "-aet", "NEAR", "-aec", "RADIR", host, port)
    calling = tool("echoscu", "-v", "-aet", "FAR", "-aec", "RADIR", host, port)
    called = tool("echoscu", "-v", "-aet", "NEAR", "-aec", "OTHER", host, port)

    assert 0 == right.code, right.text
    assert "Calling AE Title Not Recognized" in calling.text
    assert "Called AE Title Not Recognized" in called.text


def test_unknown_callers_may_store_and_not_query(
    start_node: Callable[..., Any], tool: Callable[..., Any], make_file: Callable[..., Any]
) -> None:
    """By default an unknown caller echoes and stores; its C-FIND context is refused, a peer's is not."""
    near = {"ae_title": "NEAR", "host": "127.0.0.1", "port": 104}
    node = start_node(peers={"near": near}, unknown_callers=["echo", "store"])
    host, port = node.server.address
    query = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID"]

    stored = tool("storescu", "-aet", "SCANNER", "-aec", "RADIR", host, port, make_file())
    unknown = tool("findscu", "-v", "-aet", "SCANNER", "-aec", "RADIR", *query, host, port)
    known = tool("findscu", "-v", "-aet", "NEAR", "-aec", "RADIR", *query, host, port)

    assert 0 == stored.code, stored.text
    assert 1 == len(node.archive.stored)
    assert "No Acceptable Presentation Contexts" in unknown.text
    assert "Find Response: 1" in known.text


def test_each_context_is_answered_for_itself(start_node: Callable[..., Any]) -> None:
    """A peer that may store and not find gets its storage contexts; the query context is refused as by the user."""
    node = start_node(peers={"near": {"ae_title": "NEAR", "host": "127.0.0.1", "port": 104, "allow": ["store"]}})
    ae = AE("NEAR")
    for sop_class in (Verification, CTImageStorage, StudyRootQueryRetrieveInformationModelFind):
        ae.add_requested_context(sop_class)

    association = ae.associate(*node.server.address)
    accepted = [context.abstract_syntax for context in association.accepted_contexts]
    refused = {context.abstract_syntax: context.result for context in association.rejected_contexts}
    association.release()

    assert [CTImageStorage] == accepted
    assert {Verification: 1, StudyRootQueryRetrieveInformationModelFind: 1} == refused
