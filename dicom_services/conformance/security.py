"""Section 8 and Annex A.C: transport, identity, access, logs."""

from dicom_services.conformance.document import NOT_SUPPORTED, Section, code, table
from dicom_services.dul.request import IdentityType
from dicom_services.dul.tls import CIPHER_SUITES
from dicom_services.scp.admission.web_tokens import LEEWAY_SECONDS
from radir_node.settings import VERBS, Dicom

_INTRODUCTION = """\
The node is made for a hospital's internal network, behind its firewall. Unless configured otherwise it listens on the
loopback address, and unknown callers may echo and store only."""

_EXTERNAL = """\
DNS where peers are configured by host name. A synchronised clock (NTP) for certificates and tokens. No other service is
needed; nothing is sent anywhere but to configured peers."""

_TRANSPORT = """\
BCP 195 (RFC 8996, RFC 9325) TLS Secure Transport Connection Profile (PS3.15 B.12), as acceptor on a port of its own
beside the plain one, and as requestor to peers with `tls = true`. Details: Annex A.C. Associations over the plain port
are accepted too; a peer that is configured with a certificate is not admitted there."""

_ACCEPTED_IDENTITY = """\
`dicom.user_identity.mode`: *ignored* (default): identities are not looked at. *supported*: what is offered must be
right. *required*: one must be offered. A positive response is sent where the caller asks for one. The identity decides
over the association, not over single services. Neither names, passcodes nor tokens are logged."""

_IDENTITY_TYPES = {
    IdentityType.USERNAME: "refused where identities count: it proves nothing",
    IdentityType.USERNAME_AND_PASSCODE: "supported; passcodes are kept as argon2 hashes",
    IdentityType.KERBEROS: "refused where identities count",
    IdentityType.SAML: "refused where identities count",
    IdentityType.JWT: "supported; signed by a key of `jwt_keys`, with `exp`, and `iss` and `aud` as configured; "
    f"clocks may differ by {LEEWAY_SECONDS} s",
}

_ACCESS = """\
Each peer is admitted by its calling AE title, compared without padding and with regard to case, from its configured
addresses only, and over TLS with its configured client certificate. A known AE title from elsewhere is rejected, and
does not fall back to the rights of unknown callers. Each peer may use the services that `allow` names: {verbs}; unknown
callers those of `dicom.unknown_callers`, by default {unknown}. Associations are limited per caller and in all, and a
quarter of them is left to peers."""

_LOGS = """\
Audit trail messages (PS3.15 A.5) are not sent. The log holds AE titles, addresses of peers, counts and statuses, never
patient identifiers or instance UIDs, at any level. A similar-case report tells of other patients' cases: each
disclosure is recorded in the database, and so is what operators do to studies and to what waits for peers."""

_INPUT = """\
Lengths are checked against what holds them before memory is taken; data sets, nesting and inflation are limited. File
names are made from hashes of content, never from what a peer sent."""

_TLS_DETAILS = """\
TLS 1.2 and 1.3. Cipher suites of TLS 1.2: {suites}. TLS 1.3: those of OpenSSL, all of them forward-secret and
authenticated. No compression, no renegotiation; RSA keys of 2,048 bits at least, no SHA-1 signatures. As acceptor the
node asks for client certificates (`client_certificates = "required"`, or "optional"); as requestor it shows its own and
checks the peer's certificate against the host name. Revocation lists are checked where `dicom.tls.revoked` names them;
OCSP is not used."""


def security() -> Section:
    config = Dicom()
    access = _ACCESS.format(verbs=", ".join(VERBS), unknown=" and ".join(config.unknown_callers))
    return Section(
        "Security",
        (),
        (
            Section("Introduction", (_INTRODUCTION,)),
            Section("External Network Requirements", (_EXTERNAL,)),
            Section("TCP Port Configuration", (_ports(config),)),
            Section("DICOM Security Profiles Support", (), _profiles()),
            Section(
                "User Identity Negotiation Support",
                (),
                (
                    Section("Association Initiation", ("No user identity is proposed.",)),
                    Section("Association Acceptance", (_ACCEPTED_IDENTITY, _identities())),
                ),
            ),
            Section("Web Services Security Features", (NOT_SUPPORTED,)),
            Section(
                "Other Security Features",
                (),
                (
                    Section("Access Control", (access,)),
                    Section("Logs and Audit", (_LOGS,)),
                    Section("Input Validation", (_INPUT,)),
                ),
            ),
        ),
    )


def security_details() -> Section:
    """Return Annex A.C."""
    details = _TLS_DETAILS.format(suites=", ".join(map(code, CIPHER_SUITES)))
    return Section("Security Details", (), (Section("TLS Secure Transport Connection", (details,)),))


def _profiles() -> tuple[Section, ...]:
    return (
        Section("Secure Use and User Identity", (NOT_SUPPORTED,)),
        Section("Secure Transport Connection", (_TRANSPORT,)),
        Section("Media Storage Security", (NOT_SUPPORTED,)),
        Section("Attribute Confidentiality", (NOT_SUPPORTED,)),
        Section("Digital Signature", ("Not supported. Signatures in stored objects are kept, and not checked.",)),
        Section("Additional Security Profiles", (NOT_SUPPORTED,)),
    )


def _ports(config: Dicom) -> str:
    rows = [
        (config.port, "`dicom.port`", "DICOM", "on"),
        (config.tls.port, "`dicom.tls.port`", "DICOM over TLS", "on" if config.tls.enabled else "off"),
    ]
    return table(("TCP port by default", "Key", "Protocol", "By default"), rows)


def _identities() -> str:
    rows = [(int(kind), kind.name.replace("_", " ").lower(), _IDENTITY_TYPES[kind]) for kind in IdentityType]
    return table(("User-Identity-Type", "Name", "Answer"), rows)
