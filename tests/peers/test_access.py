"""What clients are told that are not welcome: codes of a rejection, refused contexts, user identities."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from independent_clients import HERE, HOST, Dcmjs, Dcmtk, Odil, Scu

Site, Study = Any, Any  # conftest.py

PERMANENT, TRANSIENT = 1, 2
BY_USER, BY_PRESENTATION = 1, 3
NO_REASON, CALLING_AE_TITLE, CALLED_AE_TITLE = 1, 3, 7

PEERS = {
    "viewer": {"ae_title": "DCMTK", "host": HOST, "port": 104, "allow": ["echo", "find"]},
    "script": {"ae_title": "DCMJS", "host": HOST, "port": 104, "max_associations": 1},
    "library": {"ae_title": "ODIL", "host": HOST, "port": 104},
    "gdcm": {"ae_title": "GDCM", "host": HOST, "port": 104},
    "elsewhere": {"ae_title": "ELSEWHERE", "host": "192.0.2.7", "port": 104},
    "locked": {"ae_title": "LOCKED", "host": HOST, "port": 104, "allow": []},
}


@pytest.fixture(scope="module")
def strict(make_site: Callable[..., Site]) -> Site:
    """A node that must be called by its name, knows no strangers, and checks the identities that are offered."""
    return make_site(
        DICOM__PEERS=json.dumps(PEERS),
        DICOM__UNKNOWN_CALLERS="[]",
        DICOM__REQUIRE_CALLED_AE_TITLE="true",
        DICOM__USER_IDENTITY__MODE="supported",
        DICOM__USER_IDENTITY__USERS=json.dumps({"ann": PasswordHasher(1, 8, 1).hash("right")}),
    )


@pytest.mark.parametrize("scu", ["dcmtk", "gdcm", "odil", "dcmjs"], indirect=True)
def test_a_peer_is_welcome(scu: Scu, strict: Site) -> None:
    """A configured AE title from its own address echoes."""
    assert scu.ask(strict.port, "echo").done


CALLERS = {
    "stranger": ({"calling": "STRANGER"}, CALLING_AE_TITLE),
    "wrong address": ({"calling": "ELSEWHERE"}, CALLING_AE_TITLE),
    "wrong node": ({"called": "OTHER"}, CALLED_AE_TITLE),
    "no verbs": ({"calling": "LOCKED"}, NO_REASON),
}


@pytest.mark.parametrize("case", CALLERS)
@pytest.mark.parametrize("scu", ["dcmtk", "gdcm", "odil", "dcmjs"], indirect=True)
def test_rejections(scu: Scu, strict: Site, case: str) -> None:
    """Every client understands that it is rejected for good, and those that show a reason show the right one."""
    titles, reason = CALLERS[case]

    reply = scu.ask(strict.port, "echo", **titles)

    assert not reply.done
    if scu.name == "dcmjs":
        assert [PERMANENT, BY_USER, reason] == reply.raw["rejection"]
    if scu.name == "dcmtk":
        words = {3: "Calling AE Title Not Recognized", 7: "Called AE Title Not Recognized", 1: "No Reason"}
        assert "Result: Rejected Permanent, Source: Service User" in reply.text
        assert f"Reason: {words[reason]}" in reply.text


def test_a_peer_may_do_what_its_entry_grants(
    strict: Site, make_study: Callable[..., Study], new_folder: Callable[[], Path]
) -> None:
    """A peer that may echo and find is refused the contexts of store and of retrieve, and only those."""
    Dcmtk().ask(strict.port, "echo")
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.3"}

    replies = {
        "echo": Dcmtk().ask(strict.port, "echo"),
        "find": Dcmtk().ask(strict.port, "find", keys=keys, folder=new_folder()),
        "store": Dcmtk().ask(strict.port, "store", files=make_study(1).files),
        "get": Dcmtk().ask(strict.port, "get", keys=keys, folder=new_folder()),
    }

    assert ["echo", "find"] == [operation for operation, reply in replies.items() if reply.done]
    refused = re.findall(r"Context ID: +\d+ \(([\w ]+)\)", replies["store"].text.split("A-ASSOCIATE-AC")[1])
    assert {"User Rejection"} == set(refused)


@pytest.mark.parametrize(
    ("primary", "secondary", "expected"),
    [("ann", "right", None), ("ann", "wrong", [1, 1, 1]), ("bob", "right", [1, 1, 1])],
)
def test_user_and_passcode(
    strict: Site, dcmjs: Dcmjs, primary: str, secondary: str, expected: list[int] | None
) -> None:
    """dcmjs-dimse gets in with the right passcode, and is rejected with any other or under another name."""
    identity = {"type": "UsernameAndPasscode", "primary": primary, "secondary": secondary}

    outcome = dcmjs.talk(strict.port, [{"operation": "echo"}], identity=identity)

    assert expected == outcome["rejection"]
    assert ("released" if expected is None else "") == outcome["ended"]


@pytest.mark.parametrize(("secondary", "expected"), [("right", True), ("wrong", False)])
@pytest.mark.parametrize("scu", ["odil"], indirect=True)
def test_user_and_passcode_of_another_library(strict: Site, scu: Odil, secondary: str, expected: bool) -> None:
    """So does odil."""
    identity = {"primary": "ann", "secondary": secondary}

    assert expected == scu.ask(strict.port, "echo", identity=identity).done


@pytest.fixture
def open_association(strict: Site, dcmjs: Dcmjs, wait: Callable[..., None]) -> Iterator[None]:
    """The one association that a peer may have, held open by it."""
    asked = {"port": strict.port, "calling": "DCMJS", "called": "RADIR", "lingerMs": 20000}
    document = json.dumps({**asked, "requests": [{"operation": "echo"}]}).encode()
    before = strict.node.log().count('"DCMJS"')
    holding = subprocess.Popen(["node", HERE / "dimse.mjs"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert holding.stdin is not None
    holding.stdin.write(document)
    holding.stdin.close()
    wait(lambda: strict.node.log().count('"DCMJS"') > before, 20, strict.node.log)
    yield
    holding.kill()
    holding.wait(10)


def test_too_many_associations(strict: Site, dcmjs: Dcmjs, open_association: None) -> None:
    """One more than a peer may have at a time is rejected for now, and others are not held up."""
    outcome = dcmjs.talk(strict.port, [{"operation": "echo"}])

    assert [TRANSIENT, BY_PRESENTATION] == outcome["rejection"][:2]
    assert Dcmtk().ask(strict.port, "echo").done
