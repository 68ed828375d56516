"""DICOM clients that were written by others, behind one interface: DCMTK, GDCM, odil and dcmjs-dimse.

None shares a line with the node, nor with another of them. Each request is one association and one process.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

HERE = Path(__file__).parent
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client says of one request."""

    done: bool
    """Whether it succeeded, in the client's own opinion."""
    answers: tuple[Mapping[str, str], ...] = ()
    """C-FIND: of each answer the keys that were asked for, as text."""
    text: str = ""
    """Whatever else it said."""
    raw: Mapping[str, Any] = field(default_factory=dict)
    """The whole outcome in the client's own terms."""


class Scu:
    """One client."""

    name: str

    @property
    def ae_title(self) -> str:
        """Its AE title, under which the node knows it as a destination too."""
        return self.name.upper()

    def ask(self, port: int, operation: str, **request: Any) -> Reply:
        """Make one association with the node at the port.

        operation: echo, store (files), find (keys), move (keys, destination), get (keys, folder). Also: calling and
        called AE title, root, and listen = the port on which it receives its own C-MOVE into the folder.
        """
        raise NotImplementedError


def run(command: Sequence[str | Path], **options: Any) -> "subprocess.CompletedProcess[bytes]":
    environment = {**os.environ, "TCP_NODELAY": "1"}
    return subprocess.run(
        list(map(str, command)), env=environment, capture_output=True, timeout=60, check=False, **options
    )


def converse(command: Sequence[str | Path], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Run a program that takes one JSON document and gives one."""
    done = run(command, input=json.dumps(asked, default=str).encode())
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def dcmtk(name: str) -> str:
    """Path of Debian's program: pynetdicom installs some of the same names into the virtual environment."""
    own = Path(sys.prefix) / "bin"
    folders = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(folder) != own]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        pytest.skip(f"{name} is not installed (Debian package dcmtk)")
    return found


class Dcmtk(Scu):
    """echoscu, storescu, findscu, movescu and getscu."""

    name = "dcmtk"

    def ask(self, port: int, operation: str, **request: Any) -> Reply:
        command = [dcmtk(f"{operation}scu"), "-d", *request.get("options", ())]
        command += ["-aet", request.get("calling", self.ae_title), "-aec", request.get("called", "RADIR")]
        if operation in ("find", "move", "get"):
            command += ["-P" if request.get("root") == "patient" else "-S"]
            command += [part for keyword, value in request["keys"].items() for part in ("-k", f"{keyword}={value}")]
        if operation == "find":
            command += ["-X", "-od", request["folder"]]
        if operation == "move":
            command += ["-aem", request["destination"]]
        if operation == "get":
            command += ["+B", "-od", request["folder"]]
        done = run([*command, HOST, str(port), *request.get("files", ())])
        found = sorted(request["folder"].iterdir()) if operation == "find" else []
        answers = tuple(_as_text(path, request["keys"]) for path in found)
        return Reply(done.returncode == 0, answers, (done.stdout + done.stderr).decode(errors="replace"))


def _as_text(path: Path, keywords: Mapping[str, str]) -> dict[str, str]:
    """Read an answer that findscu wrote down; it leaves the texts as they come."""
    ds = dcmread(path, force=True)
    values = {keyword: ds.get(keyword) for keyword in keywords if keyword in ds}
    return {
        keyword: "" if value is None else "\\".join(map(str, value)) if ds[keyword].VM > 1 else str(value)
        for keyword, value in values.items()
    }


class Gdcm(Scu):
    """GDCM's ServiceClassUser."""

    name = "gdcm"

    def ask(self, port: int, operation: str, **request: Any) -> Reply:
        return _driven([sys.executable, HERE / "gdcm_scu.py"], self, port, operation, request)


class Odil(Scu):
    """odil, in the Python of the system."""

    name = "odil"

    def ask(self, port: int, operation: str, **request: Any) -> Reply:
        return _driven(["/usr/bin/python3", HERE / "odil_scu.py"], self, port, operation, request)


def _driven(command: Sequence[str | Path], scu: Scu, port: int, operation: str, request: Mapping[str, Any]) -> Reply:
    own = {"root": "study", "calling": scu.ae_title, "called": "RADIR", "port": port, "operation": operation}
    outcome = converse(command, {**own, **request})
    return Reply(outcome["done"], tuple(outcome.get("answers", ())), outcome.get("error", ""), outcome)


class Dcmjs(Scu):
    """dcmjs-dimse on Node.js. `talk` makes one association for many requests."""

    name = "dcmjs"

    def ask(self, port: int, operation: str, **request: Any) -> Reply:
        about = {key: request.pop(key) for key in ("calling", "called", "listen", "folder") if key in request}
        if operation == "store":
            requests = [{"operation": "store", "file": path} for path in request["files"]]
        else:
            requests = [{"operation": operation, **request}]
        outcome = self.talk(port, requests, **about)
        last = [responses[-1]["status"] for responses in outcome["responses"] if responses]
        datasets = [each["dataset"] for responses in outcome["responses"] for each in responses]
        answers = tuple(_flat(each, request["keys"]) for each in datasets if operation == "find" and each)
        return Reply(last == [0] * len(requests), answers, outcome["error"], outcome)

    def talk(self, port: int, requests: Sequence[Mapping[str, Any]], **about: Any) -> dict[str, Any]:
        """Return the outcome as dimse.mjs prints it."""
        own = {"calling": self.ae_title, "called": "RADIR", "port": port}
        return converse(["node", HERE / "dimse.mjs"], {**own, **about, "requests": requests})


def _flat(dataset: Mapping[str, Any], keywords: Mapping[str, str]) -> dict[str, str]:
    return {keyword: _text(dataset[keyword]) for keyword in keywords if keyword in dataset}


def _text(value: Any) -> str:
    """Turn a value of dcmjs into text."""
    if isinstance(value, list):
        return "\\".join(map(_text, value))
    if isinstance(value, dict):  # a person name by component groups
        groups = [value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    return "" if value is None else str(value)


def _dcmtk_client() -> Scu:
    dcmtk("findscu")
    return Dcmtk()


def _gdcm_client() -> Scu:
    pytest.importorskip("gdcm", reason="GDCM is not installed (Python package python-gdcm)")
    return Gdcm()


def _odil_client() -> Scu:
    python = Path("/usr/bin/python3")
    if not python.exists() or run([python, "-c", "import odil"]).returncode:
        pytest.skip("odil is not installed (Debian package python3-odil)")
    return Odil()


def dcmjs_client() -> Dcmjs:
    if shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    if not (HERE / "node_modules" / "dcmjs-dimse").is_dir():
        pytest.skip("dcmjs-dimse is not installed (npm ci --prefix tests/peers)")
    return Dcmjs()


CLIENTS: Mapping[str, Callable[[], Scu]] = {
    "dcmtk": _dcmtk_client,
    "gdcm": _gdcm_client,
    "odil": _odil_client,
    "dcmjs": dcmjs_client,
}
"""Name -> what makes the client, or skips the test that wants it."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The final C-MOVE response as movescu tells it; None where it holds no count."""

    status: int
    remaining: int | None
    completed: int | None
    failed: int | None
    warning: int | None
    comment: str
    failed_uids: frozenset[str]
    pending: int
    """Pending responses before it."""


def moved(text: str) -> Moved:
    """Read the last response in what movescu -d prints."""
    *before, last = text.split("Message Type                  : C-MOVE RSP")
    assert before, text[-3000:]

    def count(name: str) -> int | None:
        found = re.search(rf"{name} Suboperations +: (\d+)", last)
        return int(found[1]) if found else None

    status = re.search(r"DIMSE Status +: 0x([0-9a-f]{4})", last)
    comment = re.search(r"\(0000,0902\) LO \[(.*?) *\]", last)
    failed = re.search(r"\(0008,0058\) UI \[([^\]]*)\]", last)
    assert status, text[-3000:]
    return Moved(
        status=int(status[1], 16),
        remaining=count("Remaining"),
        completed=count("Completed"),
        failed=count("Failed"),
        warning=count("Warning"),
        comment=comment[1] if comment else "",
        failed_uids=frozenset(failed[1].split("\\") if failed else ()),
        pending=len(before) - 1,
    )
