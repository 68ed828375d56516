"""Headers on every answer, and what a visitor sees of a failure."""

import pytest
import structlog.testing

from radir_node.errors import DatabaseDown


@pytest.mark.parametrize("path", ["/login", "/static/radir.css", "/-/health", "/no-such-page"])
def test_every_answer_carries_the_security_headers(client, path: str) -> None:
    """Nothing may be loaded from elsewhere, no inline script or style runs, no Referer is sent."""
    headers = client.get(path).headers

    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self';")
    assert "unsafe" not in policy
    assert policy.endswith("frame-ancestors 'self' https://viewer.example")
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


def test_pages_with_patient_data_are_not_kept_by_the_browser(reader, node, page_of) -> None:
    """A shared workstation shows nothing after the logout."""
    assert reader.get(page_of(node.cards[3])).headers["cache-control"] == "no-store"


def test_a_database_that_is_down_says_try_again(reader, node) -> None:
    """503 with one line, and when to come back."""
    node.fault = DatabaseDown("the catalogue does not answer")

    answer = reader.get("/launch?studyUID=2.25.90003")

    assert answer.status_code == 503
    assert "the catalogue does not answer - try again in a moment" in answer.text
    assert answer.headers["retry-after"] == "10"


def test_an_unexpected_failure_shows_a_number_that_is_in_the_log(reader, node) -> None:
    """Neither page nor log holds the error's text, which may name a patient; both hold the number."""
    node.fault = RuntimeError("Doe^Jane 2.25.90003")

    with structlog.testing.capture_logs() as logs:
        answer = reader.get("/launch?studyUID=2.25.90003")

    unexpected = next(entry for entry in logs if entry["event"] == "unexpected")
    assert answer.status_code == 500
    assert unexpected["correlation"] in answer.text
    assert unexpected["error"] == "RuntimeError"
    assert "Traceback" not in answer.text
    assert all(secret not in answer.text + str(logs) for secret in ("Doe", "2.25."))
    assert "content-security-policy" in answer.headers


def test_the_log_names_routes_and_no_study(reader, node, page_of) -> None:
    """One line per request, without the identifiers of its URL."""
    with structlog.testing.capture_logs() as logs:
        reader.get("/launch?studyUID=2.25.90003")
        reader.get(page_of(node.cards[3]))

    assert [entry["route"] for entry in logs if entry["event"] == "answered"] == ["/launch", "/s/{token}"]
    assert "2.25." not in str(logs)
    assert node.cards[3].case_id not in str(logs)


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/s/x/y/z", "/static/../pages.py", "/static/%2e%2e/app.py"])
def test_what_is_not_there_is_a_plain_404(reader, path: str) -> None:
    """No generated documentation (it would load foreign assets), and no file outside static."""
    assert reader.get(path).status_code == 404
