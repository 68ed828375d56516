"""Sessions: who gets one, how it ends, and what guards the forms."""

import httpx
import pytest

from radir_node.web.app import create_app
from radir_node.web.login_state import (
    ACCOUNT_ATTEMPTS,
    PAIR_ATTEMPTS,
    WAIT_SECONDS,
    AwaitedTargets,
    LoginGuard,
    Target,
)


def test_the_right_password_opens_a_session(client, log_in) -> None:
    """After the login the start page is shown, with the visitor's name."""
    assert log_in(client) == "/"
    assert "reader" in client.get("/").text


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(client) -> None:
    """HttpOnly and SameSite=Lax."""
    cookie = client.get("/login").headers["set-cookie"].lower()

    assert "httponly" in cookie
    assert "samesite=lax" in cookie


@pytest.mark.parametrize("https", [True, False])
def test_behind_tls_the_session_cookie_never_travels_in_the_clear(serve, node, https: bool) -> None:
    """Secure where the site says that a proxy speaks TLS; not on plain HTTP, where nobody could log in."""
    app = create_app(node, secret="s" * 32, https_only=https)
    with httpx.Client(base_url=serve(app), trust_env=False) as client:
        cookie = client.get("/login").headers["set-cookie"].lower()

    assert https == ("; secure" in cookie)


@pytest.mark.parametrize(("name", "password"), [("reader", "wrong"), ("nobody", "wrong"), ("reader", "x" * 5000)])
def test_a_wrong_password_opens_nothing(client, log_in, name: str, password: str) -> None:
    """Known account or not: the same line, and no session."""
    assert log_in(client, name, password) == ""
    assert client.get("/").headers["location"] == "/login"


def test_a_guesser_has_to_wait_even_with_the_right_password(client, log_in, form_token_in) -> None:
    """After PAIR_ATTEMPTS wrong passwords the account is answered 429; another account is not concerned."""
    for _ in range(PAIR_ATTEMPTS):
        log_in(client, "reader", "wrong")
    token = form_token_in(client.get("/login").text)

    answer = client.post("/login", data={"token": token, "username": "Reader", "password": "reader's password"})

    assert answer.status_code == 429
    assert "Try again in 5 min." in answer.text
    assert int(answer.headers["retry-after"]) <= WAIT_SECONDS + 1
    assert log_in(client, "keeper") == "/"


def test_a_guesser_does_not_lock_the_owner_out(client, log_in) -> None:
    """Wrong passwords from one address leave the account open from another."""
    elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")
    with httpx.Client(base_url=client.base_url, trust_env=False, transport=elsewhere) as guesser:
        for _ in range(PAIR_ATTEMPTS):
            log_in(guesser, "reader", "wrong")

        assert log_in(guesser, "reader") == ""
    assert log_in(client, "reader") == "/"


def test_many_addresses_together_do_not_guess_one_account() -> None:
    """ACCOUNT_ATTEMPTS wrong passwords over all addresses close the account for all; a login resets nothing."""
    guard = LoginGuard(clock=lambda: 1000.0)
    for number in range(ACCOUNT_ATTEMPTS - 1):
        guard.failed("reader", f"10.0.0.{number}")
    guard.succeeded("reader", "10.0.1.1")

    assert guard.wait_seconds("reader", "10.0.1.1") == 0
    guard.failed("reader", "10.0.0.200")
    assert guard.wait_seconds("reader", "10.0.1.1") == WAIT_SECONDS
    assert guard.wait_seconds("keeper", "10.0.1.1") == 0


def test_the_wait_ends_by_itself() -> None:
    """WAIT_SECONDS after the first of the wrong passwords the address may try the account again."""
    now = [1000.0]
    guard = LoginGuard(clock=lambda: now[0])
    for _ in range(PAIR_ATTEMPTS):
        guard.failed("reader", "10.0.0.1")

    assert guard.wait_seconds("reader", "10.0.0.1") == WAIT_SECONDS
    now[0] += WAIT_SECONDS
    assert guard.wait_seconds("reader", "10.0.0.1") == 0


def test_an_awaited_target_is_given_once_and_not_for_ever() -> None:
    """A ticket is good for one login within its time."""
    now = [0.0]
    awaited = AwaitedTargets(clock=lambda: now[0])
    target = Target(study_uids=("2.25.1",))
    used, late = awaited.keep(target), awaited.keep(target)

    assert awaited.take(used) == target
    assert awaited.take(used) == Target()
    now[0] += AwaitedTargets.SECONDS
    assert awaited.take(late) == Target()


def test_a_logout_ends_the_session_for_its_cookie_too(reader, post) -> None:
    """A copy of the cookie made before the logout opens nothing after it."""
    stolen = dict(reader.cookies)

    post(reader, "/logout")
    reader.cookies.clear()
    reader.cookies.update(stolen)

    assert reader.get("/").headers["location"] == "/login"


def test_a_session_ends_after_its_hours(serve, node, log_in) -> None:
    """Use does not prolong it."""
    app = create_app(node, secret="s" * 32, session_hours=1e-9)
    with httpx.Client(base_url=serve(app), trust_env=False) as client:
        log_in(client)

        assert client.get("/").headers["location"] == "/login"


@pytest.mark.parametrize("path", ["/login", "/logout", "/find"])
@pytest.mark.parametrize("token", ["", "made up", "é"])
def test_a_form_without_our_token_is_refused(reader, path: str, token: str) -> None:
    """A form of another site cannot log anybody in or out."""
    answer = reader.post(path, data={"token": token, "username": "reader", "password": "reader's password"})

    assert answer.status_code == 403
    assert "form has expired" in answer.text


def test_a_forged_cookie_is_no_session(client) -> None:
    """The cookie is signed."""
    client.cookies.set("radir_session", "eyJ1c2VyIjogInJlYWRlciJ9.aaaaaa.bbbbbbbbbbbbbbb")

    assert client.get("/").headers["location"] == "/login"


def test_a_short_secret_is_refused(node) -> None:
    """An application that could be forged does not start."""
    with pytest.raises(ValueError, match="at least 32"):
        create_app(node, secret="short")
