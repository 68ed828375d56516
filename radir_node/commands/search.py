"""`radir search` and `radir sr`: the similar cases of one study, on the screen, as JSON, or as a DICOM report."""

import datetime as dt
import shutil
from pathlib import Path
from typing import Annotated

import typer

from radir_node.commands.session import console, opened_node, print_json
from radir_node.domain.embedding import GLOBAL
from radir_node.domain.match import Filters, Query
from radir_node.domain.study import Modality
from radir_node.errors import StorageFull, UserError
from radir_node.results.document import as_document
from radir_node.results.screen import show

Anatomy = Annotated[str, typer.Option(help='An anatomy, e.g. "right lower lobe"; without it: overall.')]
Number = Annotated[int | None, typer.Option("--k", help="Number of cases.")]

ACTOR = "command line"


def search(  # noqa: PLR0913  # each is an option of the command line
    study_uid: str,
    anatomy: Anatomy = GLOBAL,
    k: Number = None,
    modality: str = "",
    sex: str = "",
    age_min: float | None = None,
    age_max: float | None = None,
    date_from: str = "",
    date_to: str = "",
    same_patient: Annotated[bool, typer.Option(help="Include other studies of the same patient.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Rank the cases like a study, overall or for one anatomy."""
    filters = Filters(
        modality=_modality(modality),
        sex=_sex(sex),
        age_min=age_min,
        age_max=age_max,
        date_from=_date("--date-from", date_from),
        date_to=_date("--date-to", date_to),
        include_same_patient=same_patient,
    )
    with opened_node() as node:
        query = Query(study_uid, anatomy, node.settings.search.k if k is None else k, filters)
        answer = node.search.similar(query)
        node.search.disclose(ACTOR, answer)
        if as_json:
            print_json(as_document(answer))
        else:
            show(console, answer)


def sr(
    study_uid: str,
    out: Annotated[Path | None, typer.Option(help="Write the report to this file.")] = None,
    push: Annotated[str, typer.Option(help="Send the report to this peer of the configuration.")] = "",
    anatomy: Anatomy = GLOBAL,
    k: Number = None,
) -> None:
    """Write the similar cases of a study as a DICOM Structured Report, or push it to a PACS."""
    from radir_node.node.similar_series import SimilarSeries  # imports the SR libraries

    if out is None and not push:
        raise UserError("radir sr: say where to put the report: --out FILE, --push PEER, or both")
    with opened_node() as node:
        series = SimilarSeries.of(node)
        path = series.document(Query(study_uid, anatomy, node.settings.search.k if k is None else k), ACTOR)
        if out is not None:
            try:
                shutil.copyfile(path, out)
            except OSError as error:
                raise StorageFull(f"cannot write {out}: {error.strerror}") from error
            console.print(f"written: {out}")
        if push:
            series.send(path, push)
            console.print(f"sent to {push}")


def _modality(text: str) -> Modality | None:
    if not text:
        return None
    try:
        return Modality({"CR": "CXR", "DX": "CXR"}.get(text.upper(), text.upper()))
    except ValueError:
        raise UserError(f"--modality: {text!r} is not searched here; use CXR or CT") from None


def _sex(text: str) -> str | None:
    if text.upper() not in ("", "F", "M", "O"):
        raise UserError(f"--sex: {text!r} is not one of F, M, O")
    return text.upper() or None


def _date(option: str, text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        raise UserError(f"{option}: {text!r} is not a date (YYYY-MM-DD)") from None


def add_to(app: typer.Typer) -> None:
    for verb in (search, sr):
        app.command()(verb)
