"""A node in memory behind the pages, clients for it, and the steps of a visit in a real browser."""

import datetime as dt
import functools
import io
import os
import re
import shutil
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from playwright.sync_api import Page, Request, sync_playwright
from starlette.types import ASGIApp, Receive, Scope, Send

from radir_node.domain.embedding import GLOBAL
from radir_node.domain.match import Match, Query, SimilarCases
from radir_node.domain.study import Completion, Evidence, Modality, StudyState
from radir_node.errors import (
    NothingIndexed,
    PeerUnavailable,
    UnknownAnatomy,
    UnknownStudy,
    UnreadableReport,
    UserError,
)
from radir_node.settings import VERBS
from radir_node.web import dicom_state as exchange
from radir_node.web.app import create_app
from radir_node.web.ports import (
    AnatomyChoice,
    Coverage,
    Health,
    MatchScale,
    Model,
    Problem,
    Queue,
    RecallProbe,
    Refusal,
    Snapshot,
    Storage,
    StudyCard,
    User,
)
from radir_node.web.report_state import ReportMessage, ReportState
from radir_node.web.server import listen, web_server

NOW = dt.datetime(2026, 3, 14, 9, 26, 53, tzinfo=dt.UTC)
SECRET = "a secret of the tests, long enough to sign with"
ACCOUNTS = {
    "reader": ("reader's password", "viewer"),
    "keeper": ("keeper's password", "admin"),
    "ris": ("ris's password: ü", "sender"),
}

ANATOMIES = {
    "lung": "lungs",
    "lower_lobe:right": "right lower lobe",
    "lower_lobe:left": "left lower lobe",
    "pleura": "pleura",
    "heart": "heart",
    "mediastinum": "mediastinum",
    "rib": "ribs",
}
FINDINGS = {
    "pleural effusion, right": "There is a moderate right pleural effusion with adjacent atelectasis.",
    "opacity, right lower lobe": "Patchy airspace opacity in the right lower lobe may represent pneumonia.",
    "cardiomegaly": "The cardiac silhouette is enlarged.",
    "nodule, left upper lobe": "An 8 mm nodule projects over the left upper lobe, not seen on the prior examination.",
    "atelectasis, left base": "Linear opacities at the left base are consistent with subsegmental atelectasis.",
    "central venous catheter": "A right internal jugular catheter ends in the superior vena cava.",
    "old rib fracture, left": "Healed fractures of the left sixth and seventh ribs are unchanged.",
}


HOPELESS = 31
"""Number of the message that cannot be read however often it is tried."""


@dataclass
class NodeInMemory:
    """UseCases over a list of studies. Its ranking is different for each anatomy, and the same each time."""

    cards: list[StudyCard]
    accessions: dict[str, str] = field(default_factory=dict)
    sentences: dict[str, tuple[str, ...]] = field(default_factory=dict)
    scores: MatchScale = field(default_factory=MatchScale)
    health_reading: Health | None = None
    dicom_reading: exchange.DicomState | None = None
    reports_reading: ReportState | None = None
    submitted: list[tuple[str, str, bytes, str]] = field(default_factory=list)
    """(key or empty, media type, body, by whom) of each report that is durable, in order."""
    proofs: list[str] = field(default_factory=list)
    """Names of the accounts whose password was hashed, in order."""
    deeds: list[tuple[str, object, str]] = field(default_factory=list)
    """(what, of what, by whom), in order."""
    checks: dict[str, bool] = field(default_factory=lambda: {"database": True, "storage": True})
    fault: Exception | None = None
    """Raised by every question about studies, as when the database is down."""
    seen_by: list[str] = field(default_factory=list)
    """The user of each answer, in order."""

    def authenticate(self, username: str, password: str) -> User | None:
        self.proofs.append(username)
        known, role = ACCOUNTS.get(username, ("", ""))
        return User(username, role) if known and known == password else None

    def lookup(self, *, study_uid: str = "", accession: str = "") -> StudyCard | None:
        self._stumble()
        wanted = study_uid or self.accessions.get(accession, "-")
        return next((card for card in self.cards if card.study_instance_uid == wanted), None)

    def study(self, case_id: str) -> StudyCard | None:
        self._stumble()
        return next((card for card in self.cards if card.case_id == case_id), None)

    def recent(self, limit: int) -> Sequence[StudyCard]:
        return self.cards[:limit]

    def similar(self, query: Query, user: str) -> SimilarCases:
        self._stumble()
        self.seen_by.append(user)
        own = self.lookup(study_uid=query.study_instance_uid)
        if own is None or not own.searchable:
            raise UnknownStudy("no such study is indexed")
        if query.anatomy != GLOBAL and query.anatomy not in ANATOMIES:
            raise UnknownAnatomy(f"no anatomy is called {query.anatomy!r}")
        others = [card for card in self.cards if card.searchable and card is not own and card.modality == own.modality]
        if not others:
            raise NothingIndexed(f"no other {own.modality} study is indexed")
        eligible = [card for card in others if self._passes(card, query)]
        ranked = sorted(eligible, key=lambda card: -self._score(own, card, query.anatomy))[: query.k]
        assert own.modality is not None
        return SimilarCases(
            query=query,
            modality=own.modality,
            anatomy_used=query.anatomy,
            anatomy_label=ANATOMIES.get(query.anatomy, "overall"),
            model_id="cxr-tokens-1a2b3c4d-prep1",
            snapshot_id="CXR-00042",
            reference_size=len(others),
            eligible=len(eligible),
            matches=tuple(self._match(own, card, rank, query.anatomy) for rank, card in enumerate(ranked, start=1)),
        )

    def scale(self, similar: SimilarCases) -> MatchScale:
        return self.scores

    def preview(self, study_instance_uid: str) -> bytes | None:
        card = self.lookup(study_uid=study_instance_uid)
        return drawn_chest(zlib.crc32(study_instance_uid.encode())) if card and card.has_preview else None

    def report_sentences(self, study_instance_uid: str, anatomy: str) -> tuple[str, ...]:
        return self.sentences.get(study_instance_uid, ())

    def sr(self, query: Query, user: str) -> bytes:
        return b"\0" * 128 + b"DICM" + self.similar(query, user).anatomy_used.encode()

    def health(self) -> Health:
        self._stumble()
        assert self.health_reading is not None
        return self.health_reading

    def dicom(self) -> exchange.DicomState:
        self._stumble()
        assert self.dicom_reading is not None
        return self.dicom_reading

    def echo(self, peer: str, user: str) -> float:
        self.deeds.append(("echo", peer, user))
        if peer == "archive":
            raise PeerUnavailable("ARCHIVE at archive.example:2762 does not answer")
        return 0.0123

    def complete(self, case_id: str, user: str) -> None:
        if all(study.case_id != case_id for study in self.dicom().open_studies):
            raise UserError("the study is not open")
        self.deeds.append(("complete", case_id, user))

    def reopen(self, case_id: str, user: str) -> None:
        self.deeds.append(("reopen", case_id, user))

    def retry_deliveries(self, ids: Sequence[int] | None, user: str) -> int:
        self.deeds.append(("retry deliveries", ids, user))
        return sum(debt.dead and (ids is None or debt.id in ids) for debt in self.dicom().deliveries.listed)

    def retry_reports(self, ids: Sequence[int] | None, user: str) -> int:
        self.deeds.append(("retry reports", ids, user))
        return 0

    def reports(self) -> ReportState:
        self._stumble()
        assert self.reports_reading is not None
        return self.reports_reading

    def submit_report(self, key: str, body: bytes, content_type: str, user: str) -> None:
        self._stumble()
        if not body.strip():
            raise UnreadableReport("the report is empty")
        self.submitted.append((key, content_type, body, user))

    def submit_fhir(self, body: bytes, user: str) -> None:
        self._stumble()
        if b'"DiagnosticReport"' not in body:
            raise UnreadableReport("the resource is no DiagnosticReport")
        self.submitted.append(("", "application/fhir+json", body, user))

    def replay_reports(self, ids: Sequence[int] | None, user: str) -> int:
        """What is in doubt is linked anew; of the dead letters one stays as it is."""
        self.deeds.append(("replay", ids, user))
        chosen = [row for row in self._take(ids) if row.id != HOPELESS]
        self._leave(chosen)
        return len(chosen)

    def discard_reports(self, ids: Sequence[int], user: str) -> int:
        self.deeds.append(("discard", ids, user))
        chosen = self._take(ids)
        self._leave(chosen)
        return len(chosen)

    def ready(self) -> Mapping[str, bool]:
        return self.checks

    def _take(self, ids: Sequence[int] | None) -> list[ReportMessage]:
        return [row for row in self.reports().troubled if ids is None or row.id in ids]

    def _leave(self, rows: Sequence[ReportMessage]) -> None:
        """These are no longer in trouble."""
        before = self.reports()
        left = Counter(row.state for row in rows)
        self.reports_reading = replace(
            before,
            troubled=tuple(row for row in before.troubled if row not in rows),
            messages={state: count - left[state] for state, count in before.messages.items()},
        )

    def _stumble(self) -> None:
        if self.fault is not None:
            raise self.fault

    def _passes(self, card: StudyCard, query: Query) -> bool:
        filters, age = query.filters, card.age_years or 0.0
        in_age = (filters.age_min or 0) <= age <= (filters.age_max or 200)
        return in_age and filters.sex in (None, card.sex)

    def _score(self, own: StudyCard, other: StudyCard, anatomy: str) -> float:
        noise = zlib.crc32(f"{own.case_id}{other.case_id}{anatomy}".encode()) / 2**32
        return 0.3 + 0.35 * noise + 0.1 * len(set(own.findings) & set(other.findings))

    def _match(self, own: StudyCard, card: StudyCard, rank: int, anatomy: str) -> Match:
        assert card.modality is not None
        return Match(
            rank=rank,
            score=self._score(own, card, anatomy),
            study_instance_uid=card.study_instance_uid,
            case_id=card.case_id,
            modality=card.modality,
            study_date=card.study_date,
            age_years=card.age_years,
            sex=card.sex,
            sentences=self.sentences.get(card.study_instance_uid, ()),
            findings=card.findings,
            shared_findings=tuple(label for label in card.findings if label in own.findings),
            has_report=card.has_report,
            report_note=card.report_note,
            completion=card.completion,
        )


@functools.cache
def drawn_chest(seed: int) -> bytes:
    """Draw something with the greys of a frontal radiograph: bright thorax, two dark lungs, ribs, noise. PNG."""
    rng = np.random.default_rng(seed)
    size = 320
    y, x = np.mgrid[0:size, 0:size] / size - 0.5

    def blob(cx: float, cy: float, rx: float, ry: float, edge: float) -> np.ndarray:
        return 1 / (1 + np.exp((np.hypot((x - cx) / rx, (y - cy) / ry) - 1) / edge))

    body = blob(0, 0.16, 0.47, 0.62, 0.03)
    lungs = blob(-0.19, 0, 0.15, 0.3, 0.09) + blob(0.19, 0, 0.14, 0.3, 0.09)
    ribs = 0.08 * (np.sin(44 * (y + 0.9 * (np.abs(x) - 0.2) ** 2)) > 0.55) * lungs
    heart = blob(0.06, 0.14, 0.1 + 0.07 * rng.random(), 0.15, 0.12)
    opacity = 0.5 * rng.random() * blob(rng.choice([-0.2, 0.2]), 0.25 * rng.random(), 0.1, 0.1, 0.4)
    grey = 0.62 * body - 0.5 * lungs + ribs + 0.4 * heart * body + opacity * body
    grey = np.clip(grey + 0.02 * rng.standard_normal((size, size)), 0, 1)
    file = io.BytesIO()
    Image.fromarray((255 * grey).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def uid_of(number: int) -> str:
    return f"2.25.9000{number}"


def make_card(number: int, **changes: object) -> StudyCard:
    """One searchable radiograph; its findings follow from its number."""
    labels = list(FINDINGS)
    return replace(
        StudyCard(
            case_id=f"RADIR-{zlib.crc32(uid_of(number).encode()):08X}",
            study_instance_uid=uid_of(number),
            modality=Modality.CXR,
            study_date=dt.date(2015 + number % 10, 5, 17),
            age_years=30.0 + 7 * number % 55,
            sex="FM"[number % 2],
            state=StudyState.INDEXED,
            searchable=True,
            has_preview=True,
            has_report=True,
            completion=Completion.VERIFIED if number % 3 else Completion.UNVERIFIED,
            findings=tuple(dict.fromkeys((labels[number % 7], labels[(2 * number + 1) % 7]))),
            anatomies=tuple(
                AnatomyChoice(key, label, in_report=key in ("lower_lobe:right", "pleura"))
                for key, label in ANATOMIES.items()
            ),
        ),
        **changes,  # type: ignore[arg-type]
    )


def make_health() -> Health:
    hour = dt.timedelta(hours=1)
    return Health(
        checked_at=NOW,
        studies={StudyState.INDEXED: 241, StudyState.ENCODING: 2, StudyState.NOT_INDEXABLE: 2, StudyState.FAILED: 1},
        instances=1893,
        reports=204,
        coverage=(Coverage(Modality.CXR, 214, 210, 190), Coverage(Modality.CT, 32, 31, 14)),
        queue=Queue(depth=3, oldest_seconds=4.2),
        failures=(Problem("RADIR-0B5E55ED", "CT", NOW - hour, "the encoder gave a vector that is not finite"),),
        not_indexable=(
            Problem("RADIR-5CA1AB1E", "CR", NOW - 2 * hour, "no frontal view among 1 radiograph (ViewPosition LL)"),
            Problem("RADIR-DEC0DE00", "CT", NOW - 30 * hour, "only localizers and a dose sheet, no axial series"),
        ),
        refused=(Refusal("SOP class not accepted: Ultrasound Image Storage", 4, NOW - 3 * hour),),
        snapshots=(
            Snapshot("CXR-00042", Modality.CXR, NOW - hour / 5, rows=4830, partitions=23),
            Snapshot("CT-00007", Modality.CT, NOW - 5 * hour, rows=403, partitions=13),
        ),
        recall=(
            RecallProbe(Modality.CXR, 0.998, 50, 0.31, 0.94, NOW - hour),
            RecallProbe(Modality.CT, 1.0, 31, 0.07, 0.09, NOW - hour),
        ),
        storage=Storage(used_bytes=18_300_000_000, free_bytes=412_000_000_000),
        models=(
            Model(Modality.CXR, "cxr-tokens-1a2b3c4d-prep1", "research use", 210),
            Model(Modality.CT, "ct-densitometry-9f8e7d6c-prep1", "Apache-2.0", 31),
        ),
    )


def make_dicom() -> exchange.DicomState:
    """An exchange in which nearly everything happens: a peer away, a study that waits, something given up."""
    second, minute, hour = dt.timedelta(seconds=1), dt.timedelta(minutes=1), dt.timedelta(hours=1)
    store = "C-STORE status 0x0122: SOP class not supported"
    return exchange.DicomState(
        checked_at=NOW,
        service=exchange.Service("RADIR", ("10.0.0.7:11112", "10.0.0.7:2762 (TLS)"), ("echo", "store")),
        peers=(
            exchange.Peer("archive", "ARCHIVE", "archive.example:2762", True, VERBS, ("verify_with", "retrieve_from")),
            exchange.Peer("ct1", "CT1", "10.0.0.21:104", False, ("echo", "store", "commitment", "mpps")),
            exchange.Peer("pacs", "PACS", "10.0.0.5:104", False, VERBS, ("push_to",)),
        ),
        timeouts=(
            exchange.Timeout("connect", 5, "Outgoing: TCP connection, TLS handshake and the answer, each."),
            exchange.Timeout("idle", 300, "An association on which no request arrives for so long is aborted."),
        ),
        spool=exchange.Spool(3, 1_540_000, 2.4, 0),
        open_count=4,
        open_studies=(
            exchange.OpenStudy(
                "RADIR-0DDBA115", "CT", StudyState.QUIET, 311, 480, 0, False, NOW - 9 * minute, NOW - 7 * minute
            ),
            exchange.OpenStudy(
                "RADIR-DEADBEA7", "CT", StudyState.QUIET, 40, None, 0, True, NOW - 6 * minute, NOW - 2 * minute
            ),
            exchange.OpenStudy(
                "RADIR-0B0E0001", "CR", StudyState.QUIET, 1, None, 1, False, NOW - 40 * second, NOW - 30 * second
            ),
            exchange.OpenStudy(
                "RADIR-5EED0001", "DX", StudyState.RECEIVING, 1, None, 0, False, NOW - second, NOW - second
            ),
        ),
        finished=tuple(
            exchange.FinishedStudy(
                f"RADIR-F1A5C0{n:02}", "CT", StudyState.INDEXED, 40 * n, completion, evidence, NOW - n * hour
            )
            for n, (completion, evidence) in enumerate(
                (
                    (Completion.VERIFIED, Evidence.COUNT),
                    (Completion.VERIFIED, Evidence.MPPS),
                    (Completion.UNVERIFIED, Evidence.TIMER),
                    (Completion.FORCED, Evidence.OPERATOR),
                ),
                start=1,
            )
        ),
        completions={Completion.VERIFIED: 221, Completion.UNVERIFIED: 20, Completion.FORCED: 3},
        deliveries=exchange.Debts(
            waiting=1,
            dead=2,
            listed=(
                exchange.Debt(7, "pacs", "RADIR-F1A5C001", True, 1, store, NOW, NOW - 3 * hour),
                exchange.Debt(9, "pacs", "RADIR-F1A5C002", True, 1, store, NOW, NOW - 2 * hour),
                exchange.Debt(
                    12,
                    "archive",
                    "RADIR-F1A5C003",
                    False,
                    4,
                    "ARCHIVE at archive.example:2762 does not answer",
                    NOW + minute,
                    NOW - hour,
                ),
            ),
        ),
        reports=exchange.Debts(
            waiting=1,
            listed=(exchange.Debt(3, "CT1", "480 instances", False, 0, "", NOW - second, NOW - minute),),
        ),
        refusals=(
            exchange.KindOfRefusal("calling AE title not recognized", "SCANNER9", 17, NOW - 3 * hour, NOW - minute),
            exchange.KindOfRefusal("no Study Instance UID", "CT1", 2, NOW - 30 * hour, NOW - 29 * hour),
        ),
        deeds=(exchange.Deed(NOW - 5 * minute, "pages:keeper", "C-ECHO", "pacs", "answered in 12 ms"),),
    )


def make_reports() -> ReportState:
    """Channels on which nearly everything happens. Ages are of this moment: the reading has no time of its own."""
    now, minute, hour = dt.datetime.now(dt.UTC), dt.timedelta(minutes=1), dt.timedelta(hours=1)
    unreadable = "no OBX segment with text"
    return ReportState(
        listening="10.0.0.7:2575 (TLS)",
        sources=("clinic", "ris"),
        messages={"waiting": 2, "pending": 2, "linked": 1204, "quarantined": 1, "dead": 2, "discarded": 5},
        oldest_waiting_seconds=3.4,
        reports=1410,
        not_parsed=36,
        outdated=120,
        parser_version="en-7",
        troubled=(
            ReportMessage(HOPELESS, "hl7", "ris", "dead", "", unreadable, now - 3 * hour),
            ReportMessage(12, "fhir", "portal", "dead", "", "the resource has no status", now - 30 * hour),
            ReportMessage(44, "hl7", "clinic", "quarantined", "final", "the patient ids disagree", now - 5 * hour),
            ReportMessage(57, "rest", "rest", "pending", "final", "", now - 20 * minute),
            ReportMessage(56, "hl7", "ris", "pending", "corrected", "", now - 22 * minute),
        ),
    )


@pytest.fixture
def node() -> NodeInMemory:
    """Twenty radiographs, a study on its way, and one that cannot be indexed."""
    cards = [make_card(number) for number in range(20)]
    cards.append(make_card(20, searchable=False, has_preview=False, state=StudyState.ENCODING))
    reason = "no frontal view among 2 radiographs"
    cards.append(make_card(21, searchable=False, state=StudyState.NOT_INDEXABLE, reason=reason))
    sentences = {card.study_instance_uid: tuple(FINDINGS[label] for label in card.findings) for card in cards}
    return NodeInMemory(
        cards,
        {"A-7": uid_of(7)},
        sentences,
        health_reading=make_health(),
        dicom_reading=make_dicom(),
        reports_reading=make_reports(),
    )


@pytest.fixture
def app(node: NodeInMemory) -> FastAPI:
    return create_app(node, secret=SECRET, session_hours=1, frame_ancestors="'self' https://viewer.example")


@pytest.fixture
def client(serve: Callable[[FastAPI], str], app: FastAPI) -> Iterator[httpx.Client]:
    """An HTTP client with a cookie jar, without a session, which shows redirects instead of following them."""
    with httpx.Client(base_url=serve(app), trust_env=False) as client:
        yield client


@pytest.fixture
def log_in() -> Callable[..., str]:
    """Send the login form as a browser does; gives the Location it answers."""

    def send(client: httpx.Client, name: str = "reader", password: str | None = None) -> str:
        token = hidden_token(client.get("/login").text)
        secret = ACCOUNTS[name][0] if password is None else password
        answer = client.post("/login", data={"token": token, "username": name, "password": secret})
        return answer.headers.get("location", "")

    return send


@pytest.fixture
def reader(client: httpx.Client, log_in: Callable[..., str]) -> httpx.Client:
    log_in(client, "reader")
    return client


@pytest.fixture
def keeper(client: httpx.Client, log_in: Callable[..., str]) -> httpx.Client:
    log_in(client, "keeper")
    return client


@pytest.fixture
def form_token_in() -> Callable[[str], str]:
    """Read the token out of a page's form."""
    return hidden_token


@pytest.fixture
def post() -> Callable[..., httpx.Response]:
    """Send a form with the token that the session's pages carry."""

    def send(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
        return client.post(path, data={"token": hidden_token(client.get("/").text), **fields})

    return send


@pytest.fixture
def page_of(app: FastAPI) -> Callable[[StudyCard], str]:
    """Give the path of a study's page."""
    return lambda card: f"/s/{app.state.site.tokens.seal(card.case_id)}"


def hidden_token(html: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', html)
    assert found is not None
    return found.group(1)


@dataclass
class Stage:
    """One HTTP server for all tests; each puts its own application on it."""

    origin: str
    app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    with listen("127.0.0.1", 0) as listener:
        listener.listen()  # connections wait here until the server's thread takes them
        host, port = listener.getsockname()
        stage = Stage(f"http://{host}:{port}")
        server = web_server(stage)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield stage
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def serve(stage: Stage) -> Callable[[FastAPI], str]:
    """Serve an application on a free loopback port; gives its origin."""

    def put_on(app: FastAPI) -> str:
        stage.app = app
        return stage.origin

    return put_on


@dataclass
class Visit:
    """Somebody at a real browser. Every step waits for what it should bring about; `left_host` stays empty."""

    page: Page
    folder: Path
    left_host: list[str] = field(default_factory=list)
    origin: str = ""

    def begin(self, origin: str) -> None:
        self.origin = origin
        self.page.on("request", self._note)

    def launch(self, study_uid: str) -> None:
        self.page.goto(f"{self.origin}/launch?studyUID={study_uid}&src=test")

    def log_in(self, name: str, password: str) -> None:
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()

    def ranking(self) -> list[str]:
        """Wait for the ranked cases and give their pseudonyms in order."""
        self.page.wait_for_selector(".case")
        return self.page.eval_on_selector_all(".case", "cases => cases.map(c => c.dataset.case)")

    def anatomies(self) -> list[str]:
        return self.page.eval_on_selector_all(".chip", "chips => chips.map(c => c.dataset.anatomy)")

    def choose_anatomy(self, key: str) -> None:
        self.page.click(f'.chip[data-anatomy="{key}"]')
        self.page.wait_for_selector(f'.chip[data-anatomy="{key}"][aria-current]')

    def press(self, key: str, then: str) -> None:
        """Press a key and wait for a selector."""
        self.page.keyboard.press(key)
        self.page.wait_for_selector(then)

    def index_health(self) -> list[str]:
        """Open the admin page and give the titles of its tiles."""
        self.page.get_by_role("link", name="Index health").click()
        self.page.wait_for_selector("#health .tile")
        return self.page.eval_on_selector_all(".tile-title", "titles => titles.map(t => t.textContent)")

    def dicom(self) -> list[str]:
        """Open the page of the exchange with peers and give the titles of its tiles."""
        self.page.get_by_role("link", name="DICOM").click()
        self.page.wait_for_selector('[aria-label="Peers"]')
        return self.page.eval_on_selector_all(".tile-title", "titles => titles.map(t => t.textContent)")

    def reports(self) -> list[str]:
        """Open the page of the report channels and give the titles of its tiles."""
        self.page.get_by_role("link", name="Reports").click()
        self.page.wait_for_selector('[aria-label="Ways in"]')
        return self.page.eval_on_selector_all(".tile-title", "titles => titles.map(t => t.textContent)")

    def test_peer(self, name: str) -> str:
        """Press the test button of a peer and give the result that appears in its row."""
        row = self.page.locator('[aria-label="Peers"] tr', has=self.page.get_by_role("rowheader", name=name))
        row.get_by_role("button", name="Test").click()
        row.locator('[role="status"] .level').wait_for()
        return row.locator('[role="status"] .level').inner_text()

    def shot(self, name: str) -> Path:
        """Take a screenshot once every image is drawn."""
        near = "[...document.images].filter(image => image.loading !== 'lazy')"
        self.page.evaluate(f"Promise.all({near}.map(image => image.decode()))")
        self.page.evaluate("document.fonts.ready.then(() => true)")
        path = self.folder / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def _note(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "blob:", "data:")):
            self.left_host.append(request.url)


@pytest.fixture
def visit(tmp_path: Path) -> Iterator[Visit]:
    """A fresh browser window of 1400 x 850. RADIR_TEST_SHOTS names a folder to keep the screenshots in."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on the PATH (Debian package chromium)")
    folder = Path(os.environ.get("RADIR_TEST_SHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking"]
    args = ["--no-sandbox", "--disable-gpu", *quiet, "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=args)
        yield Visit(browser.new_page(viewport={"width": 1400, "height": 850}), folder)
        browser.close()
