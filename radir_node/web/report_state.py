"""Reports that come by themselves at one moment, as page and metrics are answered with them. Values of ports.py."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReportMessage:
    """One message that is in trouble, or waits for its images. Never a word of it, nor of whom it is about."""

    id: int
    channel: str
    """hl7, fhir, rest or bulk."""
    source: str
    """Name of the configured sender, or of the channel."""
    state: str
    """dead (cannot be read), quarantined (the study is another patient's) or pending (no study of it is here)."""
    status: str
    """preliminary, final, corrected, addendum or cancelled; empty where it cannot be read."""
    reason: str
    received_at: dt.datetime
    """Timezone-aware."""


@dataclass(frozen=True, slots=True)
class ReportState:
    """What came, what became of it, and how the reports that stand were read."""

    listening: str
    """ "host:port" of the HL7 service, with " (TLS)" behind it where it is; empty while it does not run."""
    sources: tuple[str, ...]
    """Names of the configured senders."""
    messages: Mapping[str, int]
    """State -> number of messages: waiting, pending, linked, quarantined, dead, discarded."""
    oldest_waiting_seconds: float | None
    """Age of the message that waits longest to be linked; None when none does."""
    reports: int
    """That stand, those inside their studies included."""
    not_parsed: int
    """Of these, in a language without lexicon: no tags."""
    outdated: int
    """Of these, read by an earlier version of the parser; a job reads them again."""
    parser_version: str
    troubled: tuple[ReportMessage, ...]
    """Dead ones first, then quarantined, then pending; the implementation cuts the list (100)."""
