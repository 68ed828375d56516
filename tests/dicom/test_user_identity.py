"""User identity negotiation: passcodes, tokens, and what is answered (PS3.7 D.3.3.7)."""

import base64
import hmac
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from pynetdicom import AE
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from pynetdicom.sop_class import Verification
from structlog.testing import capture_logs

from dicom_services.dul.request import IdentityType, OfferedIdentity, Rejection
from dicom_services.scp.admission.user_identity import Accepted, UserIdentities
from radir_node.errors import InvalidSetting
from radir_node.settings import UserIdentity

CHEAP = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1)
USER, PASSCODE = "r\u00f6ntgen", "tr\u00e8s secret"
USERS = {USER: CHEAP.hash(PASSCODE), "reader": CHEAP.hash("other")}
REFUSED = (1, 1, 1)


def passcode(user: str = USER, code: str = PASSCODE, response: bool = False) -> OfferedIdentity:
    return OfferedIdentity(IdentityType.USERNAME_AND_PASSCODE, user.encode(), code.encode(), response)


def token(value: str | bytes, response: bool = False) -> OfferedIdentity:
    data = value.encode() if isinstance(value, str) else value
    return OfferedIdentity(IdentityType.JWT, data, b"", response)


def code(verdict: Accepted | Rejection) -> object:
    if isinstance(verdict, Rejection):
        return verdict.result, verdict.source, verdict.reason
    return verdict.response


@pytest.mark.parametrize("mode", ["ignored", "supported", "required"])
@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (None, {"ignored": None, "supported": None, "required": REFUSED}),
        (passcode(), {"ignored": None, "supported": None, "required": None}),
        (passcode(response=True), {"ignored": None, "supported": b"", "required": b""}),
        (passcode(code="wrong"), {"ignored": None, "supported": REFUSED, "required": REFUSED}),
        (passcode(code=""), {"ignored": None, "supported": REFUSED, "required": REFUSED}),
        (passcode(user="nobody"), {"ignored": None, "supported": REFUSED, "required": REFUSED}),
        (passcode(user="reader"), {"ignored": None, "supported": REFUSED, "required": REFUSED}),
        (
            OfferedIdentity(IdentityType.USERNAME, USER.encode(), b"", True),
            {"ignored": None, "supported": REFUSED, "required": REFUSED},
        ),
        (
            OfferedIdentity(IdentityType.KERBEROS, b"ticket", b"", True),
            {"ignored": None, "supported": REFUSED, "required": REFUSED},
        ),
        (OfferedIdentity(99, b"?", b"", True), {"ignored": None, "supported": REFUSED, "required": REFUSED}),
        (token("a.b.c"), {"ignored": None, "supported": REFUSED, "required": REFUSED}),
    ],
)
def test_modes_decide_what_an_identity_is_worth(
    mode: str, offered: OfferedIdentity | None, expected: dict[str, object]
) -> None:
    """Ignored lets everybody on unanswered; supported refuses what is wrong; required also refuses what is missing."""
    identities = UserIdentities(UserIdentity.model_validate({"mode": mode, "users": USERS}))

    verdict = identities.check(offered)

    assert expected[mode] == code(verdict)


def test_a_passcode_is_paid_for_once() -> None:
    """The second association of a user does without argon2, a wrong passcode never does."""
    users = {"slow": PasswordHasher(time_cost=4, memory_cost=32768, parallelism=1).hash("right")}
    identities = UserIdentities(UserIdentity(mode="required", users=users))

    first, again, wrong = (
        _seconds(identities, passcode("slow", "right")),
        _seconds(identities, passcode("slow", "right")),
        _seconds(identities, passcode("slow", "wrong")),
    )

    assert again < first / 5
    assert wrong > again * 5


def test_an_unknown_user_costs_as_much_as_a_wrong_passcode() -> None:
    """Time does not tell which users there are."""
    users = {"known": PasswordHasher(time_cost=3, memory_cost=16384, parallelism=1).hash("right")}
    identities = UserIdentities(UserIdentity(mode="required", users=users))

    seconds = [
        (_seconds(identities, passcode("known", str(n))), _seconds(identities, passcode("unknown", str(n))))
        for n in range(9)
    ]
    known, unknown = (statistics.median(column) for column in zip(*seconds, strict=True))

    assert 0.5 < unknown / known < 2


def _seconds(identities: UserIdentities, offered: OfferedIdentity) -> float:
    """Processor time of one check, which does not depend on what else the machine does."""
    started = time.process_time()
    identities.check(offered)
    return time.process_time() - started


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"users": {"reader": "plain text"}}, "users.reader: the value is no argon2 hash"),
        ({"jwt_keys": "/nonexistent/keys.json"}, "/nonexistent/keys.json: No such file"),
        ({}, "neither users nor jwt_keys"),
    ],
)
def test_settings_that_could_let_nobody_in_are_errors(settings: dict[str, object], said: str) -> None:
    """A passcode that is no hash, a missing file of keys and an empty requirement stop the node, in one line."""
    with pytest.raises(InvalidSetting) as raised:
        UserIdentities(UserIdentity.model_validate({"mode": "required"} | settings))

    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
SECRET = OctKey.import_key(b"s" * 32, {"kid": "secret"})
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa"})
ISSUER = "https://login.hospital.example"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key set as an identity provider publishes it: public keys, and one that only encrypts."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    write_keys(file, RSA, EC, SECRET, RSAKey.generate_key(2048, {"kid": "encrypts", "use": "enc"}))
    return file


def write_keys(file: Path, *keys: Any) -> None:
    members = [key.as_dict(private=isinstance(key, OctKey)) for key in keys]
    file.write_text(json.dumps({"keys": [*members, {"kty": "new", "kid": "unheard of"}]}))


def claims(**changed: Any) -> dict[str, Any]:
    """Claims of a good token; None takes one out."""
    now = int(time.time())
    whole = {"sub": "reader", "iss": ISSUER, "aud": "radir", "iat": now, "nbf": now, "exp": now + 300} | changed
    return {name: value for name, value in whole.items() if value is not None}


def made(key: Any = RSA, algorithm: str = "RS256", kid: str | None = "rsa", **changed: Any) -> str:
    header = {"alg": algorithm} | ({"kid": kid} if kid else {})
    return jwt.encode(header, claims(**changed), key, algorithms=[algorithm])


def forged(algorithm: str) -> str:
    """A token made without a private key: signed with the public one as if it were a secret, or not at all."""
    parts = [json.dumps(part).encode() for part in ({"alg": algorithm, "kid": "rsa"}, claims())]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = b"" if algorithm == "none" else hmac.digest(RSA.as_pem(private=False), signed, "sha256")
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


@pytest.mark.parametrize(
    ("offered", "right"),
    [
        (made, True),
        (lambda: made(RSA, "PS384"), True),
        (lambda: made(EC, "ES256", "ec"), True),
        (lambda: made(SECRET, "HS256", "secret"), True),
        (lambda: made(EC, "ES256", None), True),
        (lambda: made(aud=["other", "radir"]), True),
        (lambda: made(exp=int(time.time()) - 5), True),
        (lambda: made(exp=int(time.time()) - 120), False),
        (lambda: made(exp=None), False),
        (lambda: made(exp="never"), False),
        (lambda: made(nbf=int(time.time()) + 120), False),
        (lambda: made(iss="https://elsewhere.example"), False),
        (lambda: made(iss=None), False),
        (lambda: made(aud="other"), False),
        (lambda: made(aud=None), False),
        (lambda: made(STRANGER), False),
        (lambda: made(kid="unknown"), False),
        (lambda: made(EC, "ES256", "rsa"), False),
        (lambda: made(kid="encrypts"), False),
        (lambda: forged("HS256"), False),
        (lambda: forged("RS256"), False),
        (lambda: forged("none"), False),
        (lambda: made()[:-6] + "AAAAAA", False),
        (lambda: "", False),
        (lambda: "a.b.c", False),
        (lambda: b"\xff.\xff.\xff", False),
        (lambda: "." * 60000, False),
    ],
)
def test_a_token_is_signed_current_and_for_this_node(keys: Path, offered: Callable[[], Any], right: bool) -> None:
    """Signature by the key that the token names and its kind of algorithm, exp, nbf, iss and aud are all checked."""
    identities = UserIdentities(UserIdentity(mode="required", jwt_keys=str(keys), jwt_issuer=ISSUER))
    value = offered()

    verdict = identities.check(token(value, response=True))

    assert (value.encode() if right else REFUSED) == code(verdict)


def test_renewed_keys_are_read(tmp_path: Path, wait: Callable[..., None]) -> None:
    """A new file of keys counts without a restart; one that cannot be read leaves the old keys in force."""
    file = tmp_path / "keys.json"
    write_keys(file, RSA)
    identities = UserIdentities(UserIdentity(mode="required", jwt_keys=str(file), jwt_issuer=ISSUER))
    of_ec = token(made(EC, "ES256", "ec"))

    before = code(identities.check(of_ec))
    replacement = tmp_path / "new.json"
    write_keys(replacement, EC)
    replacement.replace(file)

    assert REFUSED == before
    wait(lambda: code(identities.check(of_ec)) is None, 10, lambda: "the new keys are not read")
    file.write_text("{")
    with capture_logs() as logs:
        wait(lambda: bool(identities.check(of_ec)) and bool(logs), 10, lambda: "the broken file is not noticed")
    assert "token_keys_not_read" == logs[0]["event"]
    assert None is code(identities.check(of_ec))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON Web Key Set"),
        ("[]", "is no JSON Web Key Set"),
        ('{"keys": []}', "holds no key"),
        ('{"keys": [7]}', "holds no key"),
        (json.dumps({"keys": [OctKey.import_key(b"short").as_dict()]}), "holds a secret of less than 32 bytes"),
    ],
)
def test_a_file_that_holds_no_keys_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    """What is wrong with a key file is said with its name when the node starts."""
    file = tmp_path / "keys.json"
    file.write_text(text)

    with pytest.raises(InvalidSetting, match=said):
        UserIdentities(UserIdentity(mode="supported", jwt_keys=str(file)))


def test_key_sets_of_a_provider_are_read(keys: Path) -> None:
    """The file of these tests is a key set for its issuer's library too."""
    assert 4 == len(KeySet.import_key_set({"keys": json.loads(keys.read_text())["keys"][:4]}).keys)


@pytest.fixture
def strict_node(start_node: Callable[..., Any], keys: Path) -> Any:
    """A node that wants to know every user."""
    identity = {"mode": "required", "users": USERS, "jwt_keys": str(keys), "jwt_issuer": ISSUER}
    return start_node(user_identity=identity)


def test_dcmtk_users_get_in_with_the_right_passcode(
    strict_node: Any, tool: Callable[..., Any], make_file: Callable[..., Path], tmp_path: Path
) -> None:
    """storescu with user and password, or with a token, stores and gets its positive response; else it is rejected."""
    (tmp_path / "token").write_text(made())
    send = ["-v", "-aec", "RADIR", *strict_node.server.address, make_file()]

    right = tool("storescu", "-usr", USER, "-pwd", PASSCODE, "-rsp", *send)
    with_token = tool("storescu", "--jwt", tmp_path / "token", "-rsp", *send)
    wrong = tool("storescu", "-usr", USER, "-pwd", "wrong", *send)
    name_alone = tool("storescu", "-usr", USER, *send)
    nobody = tool("storescu", *send)

    assert (0, 0) == (right.code, with_token.code), right.text + with_token.text
    for refused in (wrong, name_alone, nobody):
        assert "Result: Rejected Permanent, Source: Service User" in refused.text
        assert "Reason: No Reason" in refused.text


def associate(node: Any, kind: int, primary: bytes, secondary: bytes | None) -> Any:
    """Associate as pynetdicom with a user identity, and ask for a positive response."""
    identity = UserIdentityNegotiation()
    identity.user_identity_type = kind
    identity.primary_field = primary
    if secondary is not None:
        identity.secondary_field = secondary
    identity.positive_response_requested = True
    ae = AE("READER")
    ae.add_requested_context(Verification)
    return ae.associate(*node.server.address, ext_neg=[identity])


@pytest.mark.parametrize(
    ("kind", "offered", "secondary", "admitted"),
    [
        (2, lambda: USER, PASSCODE.encode(), True),
        (2, lambda: USER, b"wrong", False),
        (5, made, None, True),  # made when it is needed: a token of the collection's time is too old in a long run
        (5, lambda: made(STRANGER), None, False),
    ],
)
def test_pynetdicom_reads_the_servers_response(
    strict_node: Any, kind: int, offered: Callable[[], str], secondary: bytes | None, admitted: bool
) -> None:
    """A positive response is empty for a passcode and the token itself for a token; a refusal is a rejection."""
    primary = offered().encode()

    association = associate(strict_node, kind, primary, secondary)

    if not admitted:
        assert association.is_rejected
        return
    response = association.acceptor.user_identity
    association.release()
    assert response is not None
    assert (primary if kind == 5 else b"") == (response.server_response or b"")


def test_identities_stay_out_of_the_log(strict_node: Any) -> None:
    """Neither user names, passcodes nor tokens are logged, whether they are accepted or not."""
    secret = made(sub="canary-subject")

    with capture_logs() as logs:
        rejected = associate(strict_node, 2, b"canary-user", b"canary-passcode")
        accepted = associate(strict_node, 5, secret.encode(), None)
        accepted.release()

    said = repr(logs)
    assert rejected.is_rejected
    assert "association_rejected" in said
    assert "association_accepted" in said
    assert "canary" not in said
    assert secret not in said
