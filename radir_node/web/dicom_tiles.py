"""The exchange with peers in six tiles, judged like index health. For the DICOM page."""

from collections.abc import Callable

from radir_node.domain.study import Completion
from radir_node.web.dicom_state import Debts, DicomState
from radir_node.web.pages import byte_size, duration
from radir_node.web.tiles import Level, Tile, level_of


def dicom_tiles(state: DicomState) -> tuple[Tile, ...]:
    """Judge every figure of the exchange."""
    judges: tuple[Callable[[DicomState], Tile], ...] = (
        _spool,
        _quarantine,
        _open_studies,
        _verified,
        lambda state: _debts("Deliveries", state.deliveries),
        lambda state: _debts("Commitment reports", state.reports),
    )
    return tuple(judge(state) for judge in judges)


def _spool(state: DicomState) -> Tile:
    spool = state.spool
    if spool.oldest_seconds is None:
        return Tile("Not registered", "0", Level.OK, "all that was acknowledged is in the catalogue")
    detail = f"{byte_size(spool.size_bytes)} safe in the spool, oldest {duration(spool.oldest_seconds)}"
    cure = "do database and radir scp run? radir status"
    return Tile("Not registered", str(spool.objects), level_of(spool.oldest_seconds, 15, 120), detail, cure)


def _quarantine(state: DicomState) -> Tile:
    count = state.spool.quarantined
    detail = "objects that no catalogue takes" if count else "no object was set aside"
    cure = "look into the folder quarantine of the storage root"
    return Tile("Quarantined", str(count), Level.ACT if count else Level.OK, detail, cure)


def _open_studies(state: DicomState) -> Tile:
    if not state.open_studies:
        return Tile("Open studies", str(state.open_count), Level.OK, "no study waits for more")
    longest = (state.checked_at - min(study.opened_at for study in state.open_studies)).total_seconds()
    detail = f"open for up to {duration(longest)}"
    return Tile("Open studies", str(state.open_count), level_of(longest, 900, 7200), detail, "see what they wait for")


def _verified(state: DicomState) -> Tile:
    total = sum(state.completions.values())
    if not total:
        return Tile("Verified complete", "-", Level.UNKNOWN, "no study is complete yet", "send studies by C-STORE")
    share = state.completions.get(Completion.VERIFIED, 0) / total
    others = ", ".join(
        f"{state.completions.get(kind, 0)} {kind.value}" for kind in (Completion.UNVERIFIED, Completion.FORCED)
    )
    return Tile("Verified complete", f"{100 * share:.0f} %", Level.OK, others)


def _debts(title: str, debts: Debts) -> Tile:
    detail = f"{debts.waiting} waiting, {debts.dead} given up" if debts.waiting or debts.dead else "nothing is owed"
    failing = any(debt.attempts for debt in debts.listed)
    level = Level.ACT if debts.dead else Level.WATCH if failing else Level.OK
    return Tile(title, str(debts.waiting + debts.dead), level, detail, "see the reasons below")
