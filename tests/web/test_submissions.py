"""Reports from programs: who may send, what is taken, and that no key is ever logged."""

import base64
import logging
import re
import socket
from collections.abc import Callable, Iterator
from urllib.parse import quote

import httpx
import pytest
import structlog.testing

from radir_node.errors import DatabaseDown
from radir_node.web import submissions
from radir_node.web.login_state import MOST_REMEMBERED, PAIR_ATTEMPTS, ProvenPasswords
from radir_node.web.ports import User

RIS = ("ris", "ris's password: ü")
PUT = "/api/reports/A-7"
POST = "/api/fhir/DiagnosticReport"
TEXT = {"Content-Type": "text/plain"}
FHIR = {"Content-Type": "application/fhir+json"}
REPORT = b"FINDINGS: no effusion."
RESOURCE = b'{"resourceType": "DiagnosticReport"}'

Send = Callable[..., httpx.Response]


@pytest.fixture
def send(client: httpx.Client) -> Send:
    """Send as the account of a program, by PUT or as FHIR according to the path."""

    def request(path: str = PUT, body: object = None, *, auth: object = RIS, **headers: str) -> httpx.Response:
        method, usual, type_ = ("POST", RESOURCE, FHIR) if path == POST else ("PUT", REPORT, TEXT)
        sent = httpx.Headers(type_)
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        credentials = tuple(part.encode() for part in auth) if isinstance(auth, tuple) else auth
        return client.request(method, path, content=usual if body is None else body, headers=sent, auth=credentials)

    return request


@pytest.mark.parametrize("type_", ["text/plain", "application/json", "Application/JSON; charset=utf-8"])
def test_a_report_is_accepted_when_it_is_durable(send: Send, node, type_: str) -> None:
    """The node has it, under its key and in the name of the account."""
    answer = send(content_type=type_)

    assert (202, {"accepted": True}) == (answer.status_code, answer.json())
    assert [("A-7", type_.partition(";")[0].casefold(), REPORT, "ris")] == node.submitted


@pytest.mark.parametrize(
    "type_", ["application/fhir+json", "application/json", "application/fhir+json; fhirVersion=4.0"]
)
def test_a_diagnostic_report_is_accepted_when_it_is_durable(send: Send, node, type_: str) -> None:
    """Whatever the release; the node reads it."""
    answer = send(POST, content_type=type_)

    assert (202, {"accepted": True}) == (answer.status_code, answer.json())
    assert [("", "application/fhir+json", RESOURCE, "ris")] == node.submitted


@pytest.mark.parametrize("key", ["1.2.840.113619.2.55", "A/7", "A 7", "Ä-7", "a?b#c%2F", "x" * 64])
def test_a_key_is_what_it_was_before_it_was_encoded(send: Send, node, key: str) -> None:
    """Accession numbers hold slashes and blanks."""
    assert 202 == send(f"/api/reports/{quote(key, safe='')}").status_code
    assert key == node.submitted[0][0]


@pytest.mark.parametrize("key", ["", "%20", "x" * 65, "A%0A7", "A%007", "%FF"])
def test_a_key_that_can_be_none_is_refused(send: Send, node, key: str) -> None:
    """Empty, too long, with control characters, or no UTF-8."""
    assert send(f"/api/reports/{key}").status_code in (400, 404)
    assert [] == node.submitted


@pytest.mark.parametrize("path", [PUT, POST])
def test_administrators_may_send_and_viewers_may_not(send: Send, node, path: str) -> None:
    """A person who only looks has no business with reports."""
    admin = send(path, auth=("keeper", "keeper's password"))
    viewer = send(path, auth=("reader", "reader's password"))

    assert (202, 403) == (admin.status_code, viewer.status_code)
    assert ["keeper"] == [by for *_, by in node.submitted]


@pytest.mark.parametrize("path", [PUT, POST])
@pytest.mark.parametrize(
    "authorization", ["", "Bearer abc", "Basic", "Basic !!!", "Basic cmlz", "Basic /////w==", "Basic cmlzOndyb25n"]
)
def test_without_the_right_password_nothing_is_read(send: Send, node, path: str, authorization: str) -> None:
    """401 with the challenge of HTTP Basic, however the header is broken."""
    answer = send(path, auth=None, **({"authorization": authorization} if authorization else {}))

    assert 401 == answer.status_code
    assert 'Basic realm="RadIR node", charset="UTF-8"' == answer.headers["www-authenticate"]
    assert [] == node.submitted


@pytest.mark.parametrize("path", [PUT, POST])
def test_a_session_of_the_pages_sends_nothing(keeper, node, path: str) -> None:
    """A form of another site cannot send a report with the cookie of an administrator."""
    answer = keeper.request("POST" if path == POST else "PUT", path, content=RESOURCE, headers=FHIR)

    assert 401 == answer.status_code
    assert [] == node.submitted


def test_a_password_is_hashed_once_in_some_minutes(send: Send, node) -> None:
    """argon2 takes 50 ms, and a program sends its password with every report."""
    for _ in range(3):
        send()
    send(auth=("ris", "wrong"))
    send(auth=("keeper", "keeper's password"))

    assert ["ris", "ris", "keeper"] == node.proofs


def test_a_proof_is_forgotten_after_its_time_and_holds_no_password() -> None:
    """What is in memory tells nobody the password; another password is no proof."""
    now = [0.0]
    proofs, asked = ProvenPasswords(clock=lambda: now[0]), []

    def prove(name: str, password: str) -> User | None:
        asked.append(password)
        return User(name, "sender") if password == "hunter2" else None

    answers = [proofs.user("ris", password, prove) for password in ("hunter2", "hunter2", "hunter", "hunter")]
    kept = repr(vars(proofs))
    now[0] += ProvenPasswords.SECONDS
    proofs.user("ris", "hunter2", prove)

    assert [User("ris", "sender"), User("ris", "sender"), None, None] == answers
    assert ["hunter2", "hunter", "hunter", "hunter2"] == asked
    assert "hunter" not in kept


def test_proofs_do_not_fill_the_memory() -> None:
    """The oldest goes; name and password cannot be shifted against each other."""
    proofs, asked = ProvenPasswords(), []

    def prove(name: str, password: str) -> User:
        asked.append((name, password))
        return User(name, "sender")

    for number in range(MOST_REMEMBERED + 1):
        proofs.user(f"ris{number}", "", prove)
    proofs.user("ris", "0", prove)
    proofs.user("ris0", "", prove)
    proofs.user(f"ris{MOST_REMEMBERED}", "", prove)

    assert [("ris", "0"), ("ris0", "")] == asked[MOST_REMEMBERED + 1 :]


def test_a_guesser_has_to_wait_as_at_the_login_page(send: Send, node, client, log_in) -> None:
    """Even with the right password, and there too; other accounts go on."""
    for _ in range(PAIR_ATTEMPTS):
        send(auth=("ris", "wrong"))

    answer, fhir = send(), send(POST)

    assert (429, 429) == (answer.status_code, fhir.status_code)
    assert 0 < int(answer.headers["retry-after"]) <= 301
    assert "" == log_in(client, "ris")
    assert 202 == send(auth=("keeper", "keeper's password")).status_code


@pytest.mark.parametrize("path", [PUT, POST])
def test_a_proven_password_does_not_help_a_guesser(send: Send, node, path: str) -> None:
    """Whoever guesses waits, though the right password is remembered: else memory would answer without end."""
    send(path)
    for _ in range(PAIR_ATTEMPTS):
        send(path, auth=("ris", "wrong"))

    assert 429 == send(path).status_code


@pytest.mark.parametrize("path", [PUT, POST])
def test_a_body_may_have_ten_megabytes_and_not_one_byte_more(send: Send, node, path: str) -> None:
    """With Content-Length it is not read at all, without it is given up where it is too long."""
    most = RESOURCE.ljust(submissions.MOST_BYTES)

    def in_pieces() -> Iterator[bytes]:
        yield most
        yield b" "

    fits, declared, chunked = send(path, most), send(path, most + b" "), send(path, in_pieces())

    assert (202, 413, 413) == (fits.status_code, declared.status_code, chunked.status_code)
    assert "larger than 10 MB" in declared.text
    assert 1 == len(node.submitted)


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        (PUT, "application/fhir+json"),
        (PUT, "application/pdf"),
        (PUT, ""),
        (PUT, "nonsense"),
        (PUT, "text/plain; charset=klingon"),
        (PUT, "text/plain; charset=base64"),
        (POST, "application/fhir+xml"),
        (POST, "text/plain"),
    ],
)
def test_what_is_neither_text_nor_json_is_not_read(send: Send, node, path: str, type_: str) -> None:
    """415, with the types that are."""
    answer = send(path, content_type=type_)

    assert 415 == answer.status_code
    assert [] == node.submitted


@pytest.mark.parametrize("charset", ["iso-8859-1", '"Windows-1252"'])
def test_a_text_in_another_character_set_arrives_as_utf_8(send: Send, node, charset: str) -> None:
    """As many information systems write it."""
    send(body="Erguß".encode("latin-1"), content_type=f"text/plain; charset={charset}")

    assert ["Erguß"] == [body.decode() for _, _, body, _ in node.submitted]


def test_a_text_that_is_not_in_its_character_set_is_refused(send: Send, node) -> None:
    """Better than a report with wrong letters."""
    answer = send(body=b"\xff\xff\xff", content_type="text/plain; charset=utf-16")

    assert (422, []) == (answer.status_code, node.submitted)


@pytest.mark.parametrize(
    ("path", "body", "line"), [(PUT, b" ", "the report is empty"), (POST, b"{}", "the resource is no DiagnosticReport")]
)
def test_what_cannot_be_read_is_answered_with_its_reason(send: Send, path: str, body: bytes, line: str) -> None:
    """422 and one line."""
    answer = send(path, body)

    assert 422 == answer.status_code
    assert line in answer.text


@pytest.mark.parametrize("path", [PUT, POST])
def test_nothing_is_accepted_while_the_database_is_down(send: Send, node, path: str) -> None:
    """503, and when to come back: the program keeps its report."""
    node.fault = DatabaseDown("the catalogue does not answer")

    answer = send(path)

    assert (503, "10") == (answer.status_code, answer.headers["retry-after"])
    assert "the catalogue does not answer" in answer.text
    assert [] == node.submitted


def test_fhir_failures_are_operation_outcomes(send: Send, node) -> None:
    """With the code that FHIR has for each, in its own media type."""
    answers = [
        send(POST, auth=None),
        send(POST, auth=("reader", "reader's password")),
        send(POST, content_type="text/plain"),
        send(POST, b"{}"),
        send(POST, b" " * (submissions.MOST_BYTES + 1)),
    ]
    node.fault = DatabaseDown("the catalogue does not answer")
    answers.append(send(POST))
    node.fault = RuntimeError("Doe^Jane")
    with structlog.testing.capture_logs() as logs:
        answers.append(send(POST))
    correlation = next(entry["correlation"] for entry in logs if entry["event"] == "unexpected")

    outcomes = [answer.json() for answer in answers]
    assert {"application/fhir+json"} == {answer.headers["content-type"] for answer in answers}
    assert {"OperationOutcome"} == {outcome["resourceType"] for outcome in outcomes}
    assert ["login", "forbidden", "not-supported", "invalid", "too-long", "transient", "exception"] == [
        outcome["issue"][0]["code"] for outcome in outcomes
    ]
    assert outcomes[-1]["issue"][0]["diagnostics"] == f"unexpected failure {correlation}"


def test_other_failures_are_json(send: Send, client) -> None:
    """One line under "error"; nothing of the pages."""
    assert {"error": "name and password are needed"} == send(auth=None).json()
    assert {"error": "this account may not send reports"} == send(auth=("reader", "reader's password")).json()
    assert 405 == client.get(PUT).status_code
    assert "application/json" == client.get(PUT).headers["content-type"]


def test_an_account_that_sends_sees_nothing(client, log_in, form_token_in) -> None:
    """The login page tells it so, and no page opens; neither does the JSON interface."""
    token = form_token_in(client.get("/login").text)
    answer = client.post("/login", data={"token": token, "username": "ris", "password": RIS[1]})

    assert 403 == answer.status_code
    assert "This account sends reports to the node. It cannot see pages." in answer.text
    assert "/login" == client.get("/").headers["location"]
    assert 401 == client.get("/api/similar", params={"studyUID": "2.25.90003"}).status_code


def test_a_body_that_does_not_arrive_is_given_up(client, node, monkeypatch) -> None:
    """Its deadline is not extended by bytes; the answer says so."""
    monkeypatch.setattr(submissions, "BODY_SECONDS", 0.2)
    with _half_sent(client) as connection:
        connection.sendall(b"still")
        answer = connection.recv(4096)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert [] == node.submitted


def test_a_connection_that_ends_early_is_no_failure_of_the_node(client, node, wait) -> None:
    """No report, and no alarm."""
    with structlog.testing.capture_logs() as logs:
        _half_sent(client).close()
        wait(lambda: any(entry["event"] == "answered" for entry in logs), 10, lambda: str(logs))

    assert [(400, "/api/reports/{key:path}")] == [(entry["status"], entry["route"]) for entry in logs]
    assert [] == node.submitted


@pytest.mark.requirement("RN-06")
def test_no_key_no_text_and_no_password_is_logged(send: Send, client, node, caplog) -> None:
    """At debug level, in answers and metrics, whether it goes well or not."""
    key, text = "CANARY1-2.25.4711", b"CANARY2 effusion"
    path = f"/api/reports/{key}"
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as logs:
        answers = [
            send(path, text),
            send(path, b" "),
            send(path, text, content_type="image/CANARY3"),
            send(path, text, auth=("CANARY4", "CANARY5")),
            send(f"{path}{'x' * 64}", text),
            client.get(path),
            client.delete(path),
            client.put(f"/api/report/{key}", content=text),
        ]
        for fault in (DatabaseDown("the catalogue does not answer"), RuntimeError(f"{key} {text!r}")):
            node.fault = fault
            answers.append(send(path, text))
        node.fault = None

    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    seen = f"{logs}{ours}{client.get('/metrics').text}{[(one.text, one.headers) for one in answers]}"
    assert [202, 422, 415, 401, 400, 405, 405, 404, 503, 500] == [answer.status_code for answer in answers]
    assert not re.search("CANARY|4711", seen)
    assert 'route="/api/reports/{key:path}"' in seen


def _half_sent(client: httpx.Client) -> socket.socket:
    """Open a connection on which the body of a report stops in its middle."""
    connection = socket.create_connection((client.base_url.host, client.base_url.port), timeout=10)
    lines = (
        f"PUT {PUT} HTTP/1.1",
        "Host: node",
        f"Authorization: Basic {base64.b64encode(':'.join(RIS).encode()).decode()}",
        "Content-Type: text/plain",
        "Content-Length: 1000",
    )
    connection.sendall("\r\n".join((*lines, "", "half")).encode())
    return connection
