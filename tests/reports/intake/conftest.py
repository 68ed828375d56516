"""Messages of a synthetic patient, as an information system sends them."""

import datetime as dt
import ssl
import tempfile
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

Write = Callable[..., bytes]


@pytest.fixture(scope="session")
def oru() -> Write:
    """Write an ORU^R01 message; `body` are the segments from OBR on, keyword arguments replace fields."""

    def write(
        *body: str,
        msh: str = "",
        charset: str = "UNICODE UTF-8",
        ack: str = "||",
        pid: str = "12345^^^HOSP^MR",
        end: str = "\r",
        encoding: str = "utf-8",
    ) -> bytes:
        header = (
            msh or rf"MSH|^~\&|RIS|HOSP|RADIR|NODE|20250101120500+0100||ORU^R01^ORU_R01|MSG01|P|2.5.1||{ack}||{charset}"
        )
        patient = f"PID|1||{pid}||DOE^JANE^Q||19600101|F|SMITHERS^JANE"
        return (end.join((header, patient, *(body or (OBR, OBX)))) + end).encode(encoding)

    return write


OBR = (
    "OBR|1|ORD1|FILL1^RIS|71250^CT CHEST^C4|||20250101110000|||77^COLLECT^COLIN||||||1234^REFER^RITA||ACC1|RP1|||"
    "20250101120000||CT|F|||9^COPY^CARL||||&READER&RUDI|5&HELPER&HANS"
)
OBX = r"OBX|1|TX|71250&GDT^FINDINGS||There is a 6 mm nodule in the right upper lobe.\.br\No pleural effusion.||||||F"


@pytest.fixture(scope="session")
def obr() -> Callable[..., str]:
    """Write an OBR segment by its fields."""

    def write(status: str = "F", filler: str = "FILL1", accession: str = "ACC1", at: str = "20250101120000") -> str:
        fields = [""] * 26
        fields[0], fields[1], fields[3], fields[4] = "OBR", "1", filler, "71250^CT CHEST^C4"
        fields[18], fields[22], fields[25] = accession, at, status
        return "|".join(fields)

    return write


@pytest.fixture(scope="session")
def obx() -> Callable[..., str]:
    """Write an OBX segment that holds text."""

    def write(text: str, section: str = "", status: str = "F", kind: str = "TX") -> str:
        return f"OBX|1|{kind}|71250{'&' if section else ''}{section}^CT CHEST||{text}||||||{status}"

    return write


@pytest.fixture(scope="session")
def mdm() -> Write:
    """Write an MDM message of a trigger event."""

    def write(event: str, *body: str, completion: str = "AU", availability: str = "AV", order: bool = True) -> bytes:
        txa = [
            "TXA",
            "1",
            "DI",
            "TX",
            "20250101110000",
            "5^PRIMARY^PAUL",
            "",
            "",
            "",
            "6^ORIGIN^OLGA",
            "7^SIGN^SUSI",
            "",
        ]
        txa += ["DOC1", "", "ORD1", "FILL1", "", completion, "", availability]
        header = rf"MSH|^~\&|TRANS|HOSP|RADIR|NODE|20250101120500+0100||MDM^{event}^MDM_T02|MSG02|P|2.5.1"
        orders = ("ORC|RE|ORD1|FILL1", OBR) if order else ()
        head = (header, f"EVN|{event}|20250101130000", "PID|1||12345^^^HOSP^MR||DOE^JANE", *orders, "|".join(txa))
        return "\r".join((*head, *body)).encode()

    return write


@pytest.fixture(scope="session")
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's context around a certificate made for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    begin = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    written = certificate.public_bytes(Encoding.PEM)
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + written)
        file.flush()
        server.load_cert_chain(file.name)
    client.load_verify_locations(cadata=written.decode())
    return server, client
