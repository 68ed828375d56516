"""For programs: reports by PUT and by FHIR. What is answered 202 is durable; a key is an identifier, never logged."""

import asyncio
import re

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from radir_node.web.senders import NotAccepted, Sender
from radir_node.web.site import SiteOf

router = APIRouter(prefix="/api")

MOST_BYTES = 10 * 2**20
BODY_SECONDS = 60.0
"""From the head of a request to the last byte of its body, whatever its pace."""
KEY = re.compile(r"[^\x00-\x1f\x7f\ufffd]{1,64}")
"""An accession number (SH) or a UID (PS3.5 6.2); U+FFFD stands for bytes that were no UTF-8."""

PLAIN_TEXT = "text/plain"
REPORT_TYPES = ("application/json", PLAIN_TEXT)
FHIR_TYPES = ("application/fhir+json", "application/json")


@router.put("/reports/{key:path}")
async def put_report(request: Request, site: SiteOf, sender: Sender, key: str) -> JSONResponse:
    """Take the report of an accession number or Study Instance UID, as JSON or as plain text."""
    key = key.strip()
    if not KEY.fullmatch(key):
        raise NotAccepted(400, "the address must end in an accession number or a Study Instance UID")
    media_type = _media_type(request, REPORT_TYPES)
    body = await _body(request)
    if media_type == PLAIN_TEXT:
        body = _as_utf8(body, _charset(request))
    await run_in_threadpool(site.use_cases.submit_report, key, body, media_type, sender.name)
    return JSONResponse({"accepted": True}, 202)


@router.post("/fhir/DiagnosticReport")
async def post_diagnostic_report(request: Request, site: SiteOf, sender: Sender) -> JSONResponse:
    """Take a FHIR DiagnosticReport."""
    _media_type(request, FHIR_TYPES)
    body = await _body(request)
    await run_in_threadpool(site.use_cases.submit_fhir, body, sender.name)
    return JSONResponse({"accepted": True}, 202)


def _media_type(request: Request, accepted: tuple[str, ...]) -> str:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if media_type not in accepted:
        raise NotAccepted(415, f"the body must be {' or '.join(accepted)}")
    return media_type


async def _body(request: Request) -> bytes:
    """Read the body, and no more of it than may be kept. Raises NotAccepted."""
    too_large = NotAccepted(413, f"the body is larger than {MOST_BYTES >> 20} MB")
    if int(request.headers.get("content-length", "0")) > MOST_BYTES:
        raise too_large
    received = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                received += chunk
                if len(received) > MOST_BYTES:
                    raise too_large
    except TimeoutError as error:
        raise NotAccepted(408, f"the body did not arrive within {BODY_SECONDS:.0f} s") from error
    except ClientDisconnect as error:
        raise NotAccepted(400, "the connection ended before the body did") from error
    return bytes(received)


def _charset(request: Request) -> str:
    found = re.search(r';\s*charset\s*=\s*"?([\w.:-]+)', request.headers.get("content-type", ""), re.IGNORECASE)
    return found.group(1) if found else "utf-8"


def _as_utf8(body: bytes, charset: str) -> bytes:
    """Write a text in the one character set that the node reads; UTF-8 is left for the node to judge."""
    if charset.casefold() in ("utf-8", "us-ascii"):
        return body
    try:
        return body.decode(charset).encode()
    except LookupError as error:
        raise NotAccepted(415, "the character set that Content-Type names is unknown") from error
    except UnicodeError as error:
        raise NotAccepted(422, "the text is not in the character set that Content-Type names") from error
