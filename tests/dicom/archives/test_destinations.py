"""Destinations that abort, sleep, refuse or hang: the retrieve is answered once, and no other retrieve waits for it."""

import threading
from contextlib import ExitStack

import pytest
from pydicom import dcmread

from dicom_services.scp.retrieval.destinations import MOST_MOVES, Busy, Destinations
from dicom_services.scu.caller import Caller
from dicom_services.scu.send import send_files
from radir_node.settings import Peer

SENDER = Caller("SENDER")


@pytest.fixture
def node_for(start_node):
    """A node that knows these move destinations."""

    def start(*destinations: Peer, **settings):
        return start_node(peers={f"d{n}": peer.model_dump() for n, peer in enumerate(destinations)}, **settings)

    return start


@pytest.mark.parametrize(
    ("options", "objects", "status", "failed"),
    [
        (("--abort-after",), 3, 0xA702, 3),  # it breaks at each object: none is ever acknowledged
        (("--abort-during",), 3, 0xA702, 3),
        (("--refuse",), 3, 0xA702, 3),
        (("--sleep-during", "1"), 1, 0x0000, 0),
        (("--sleep-after", "1"), 1, 0x0000, 0),
    ],
    ids=lambda value: value[0][2:] if isinstance(value, tuple) else "",
)
def test_faults_of_storescp(start_storescp, node_for, make_study, move, options, objects, status, failed):
    """Each fault that DCMTK's storescp can produce ends in one right answer."""
    study = make_study(objects)
    storescp = start_storescp(*options)
    node = node_for(storescp.peer)
    send_files(node.peer, study.files, SENDER)

    responses = move(node, study.uid, "STORESCP")

    (last,) = (response for response in responses if response.status != 0xFF00)
    assert (status, (None, objects - failed, failed, 0)) == (last.status, last.counts)
    assert failed == len(last.failed_uids)


def test_rest_goes_over_another_association(node_for, destination, make_study, move):
    """A destination that aborts once gets the rest over a new association, and nothing acknowledged twice."""
    study = make_study(6)
    destination.abort_at = {study.uids[3]}
    node = node_for(destination.peer)
    send_files(node.peer, study.files, SENDER)

    last = move(node, study.uid, "DEST")[-1]

    assert (0x0000, (None, 6, 0, 0)) == (last.status, last.counts)
    assert study.uids == destination.received


def test_one_object_that_breaks_its_destination(node_for, destination, make_study, move):
    """An object at which the destination breaks off every time has failed, by name; the others arrive."""
    study = make_study(6)
    bad = study.uids[2]
    node = node_for(destination.peer)
    send_files(node.peer, study.files, SENDER)

    class Always(set):
        def remove(self, uid) -> None:
            """It aborts the next time, too."""

    destination.abort_at = Always({bad})
    last = move(node, study.uid, "DEST")[-1]

    assert (0xB000, (None, 5, 1, 0), [bad]) == (last.status, last.counts, last.failed_uids)
    assert "1 failed: no response" == last.comment
    assert [uid for uid in study.uids if uid != bad] == destination.received


def test_destination_by_another_name(start_pacs, node_for, make_study, move):
    """A destination that rejects the AE title it is called by is not the one that was meant: 0xA801, without counts."""
    study = make_study(2)
    pacs = start_pacs()
    node = node_for(pacs.peer.model_copy(update={"ae_title": "OTHER"}))
    send_files(node.peer, study.files, SENDER)

    (only,) = move(node, study.uid, "OTHER")

    assert (0xA801, (None,) * 4, "the destination goes by another AE title") == (
        only.status,
        only.counts,
        only.comment,
    )


def test_reasons_are_told(node_for, destination, make_study, move):
    """The Error Comment says how many failed and what the destination answered."""
    study = make_study(3)
    destination.statuses = dict.fromkeys(study.uids[:2], 0xA900)
    node = node_for(destination.peer)
    send_files(node.peer, study.files, SENDER)

    last = move(node, study.uid, "DEST")[-1]

    assert (0xB000, "2 failed: answered 0xA900") == (last.status, last.comment)


def test_warnings_are_counted_apart(node_for, destination, make_study, move):
    """Objects that were stored with a warning are neither completed nor failed, and named nowhere."""
    study = make_study(3)
    destination.statuses[study.uids[0]] = 0xB000
    node = node_for(destination.peer)
    send_files(node.peer, study.files, SENDER)

    last = move(node, study.uid, "DEST")[-1]

    assert (0xB000, (None, 2, 0, 1), []) == (last.status, last.counts, last.failed_uids)


def test_requester_hears_while_a_destination_hangs(start_storescp, node_for, destination, make_study, move):
    """While a destination hangs its requester gets pending responses and may cancel; other moves are served."""
    study = make_study(3)
    storescp = start_storescp()
    node = node_for(storescp.peer, destination.peer)
    send_files(node.peer, study.files, SENDER)
    destination.go_on.clear()
    destination.hold_after = 0
    pending = threading.Event()
    go_on = threading.Event()
    stuck = []

    def cancel_later() -> bool:
        pending.set()
        return go_on.is_set()

    requester = threading.Thread(target=lambda: stuck.extend(move(node, study.uid, "DEST", then=cancel_later)))
    requester.start()
    assert pending.wait(20)
    other = move(node, study.uid, "STORESCP")[-1]
    go_on.set()
    requester.join(30)

    assert (0x0000, (None, 3, 0, 0)) == (other.status, other.counts)
    assert (0xFE00, (3, 0, 0, 0)) == (stuck[-1].status, stuck[-1].counts)


def test_places_at_a_destination():
    """A destination has so many places; who finds none waits, is asked now and then, and is turned away in the end."""
    places = Destinations(patience_seconds=0.5)
    asked = []

    with ExitStack() as taken:
        for _ in range(MOST_MOVES):
            taken.enter_context(places.place("FULL", asked.clear))
        with pytest.raises(Busy), places.place("FULL", lambda: asked.append(1)):
            pass
        with places.place("OTHER", asked.clear):
            free_elsewhere = True
    with places.place("FULL", lambda: asked.append(1)):
        free_again = True

    assert asked
    assert free_elsewhere
    assert free_again


def test_destination_gets_bytes_as_stored(start_storescp, node_for, make_study, move, dataset_bytes):
    """Data sets reach the destination byte for byte, whatever file meta information their files have."""
    study = make_study(2)
    storescp = start_storescp()
    node = node_for(storescp.peer)
    send_files(node.peer, study.files, SENDER)

    move(node, study.uid, "STORESCP")

    received = [path for path in storescp.folder.iterdir()]
    assert sorted(map(dataset_bytes, study.files)) == sorted(map(dataset_bytes, received))
    assert study.uids == [str(dcmread(path).SOPInstanceUID) for path in study.files]
