"""Reports that come by themselves in six tiles, judged like index health. For the page of the report channels."""

from collections.abc import Callable

from radir_node.web.pages import duration
from radir_node.web.report_state import ReportState
from radir_node.web.tiles import Level, Tile, level_of


def report_tiles(state: ReportState) -> tuple[Tile, ...]:
    """Judge every figure of the report channels."""
    judges: tuple[Callable[[ReportState], Tile], ...] = (_service, _waiting, _dead, _quarantined, _pending, _parsed)
    return tuple(judge(state) for judge in judges)


def _service(state: ReportState) -> Tile:
    if not state.listening:
        cure = "start radir hl7 where reports come by HL7"
        return Tile("HL7 service", "off", Level.UNKNOWN, "no HL7 message can arrive", cure)
    senders = len(state.sources)
    return Tile("HL7 service", "on", Level.OK, f"{senders} sender{'' if senders == 1 else 's'} may send")


def _waiting(state: ReportState) -> Tile:
    count, oldest = state.messages.get("waiting", 0), state.oldest_waiting_seconds
    if oldest is None:
        return Tile("Waiting", str(count), Level.OK, "every message was looked at")
    cure = "is the worker running? radir status"
    return Tile("Waiting", str(count), level_of(oldest, 60, 300), f"oldest waits {duration(oldest)}", cure)


def _dead(state: ReportState) -> Tile:
    count = state.messages.get("dead", 0)
    detail = "kept as they came" if count else "every message could be read"
    return Tile(
        "Cannot be read", str(count), Level.ACT if count else Level.OK, detail, "reasons below; radir reports show"
    )


def _quarantined(state: ReportState) -> Tile:
    count = state.messages.get("quarantined", 0)
    detail = "study and report disagree on the patient" if count else "no report contradicts its study"
    return Tile(
        "Other patient", str(count), Level.ACT if count else Level.OK, detail, "radir reports show says whose it is"
    )


def _pending(state: ReportState) -> Tile:
    count = state.messages.get("pending", 0)
    detail = "no study of them is here yet" if count else "no report waits for its images"
    return Tile("Without images", str(count), Level.OK, detail)


def _parsed(state: ReportState) -> Tile:
    if not state.reports:
        cure = "send reports by one of the ways below"
        return Tile("Parsed", "-", Level.UNKNOWN, "no report stands yet", cure)
    share = 1 - state.not_parsed / state.reports
    level = Level.WATCH if state.outdated else Level.OK
    detail = f"{state.not_parsed} in another language, {state.outdated} to be read again"
    cure = "the worker reads them again" if state.outdated else "there is no lexicon of that language"
    return Tile("Parsed", f"{100 * share:.0f} %", level, detail, cure)
