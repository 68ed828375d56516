"""`radir eval`: retrieval quality of the installed encoder, and reports read against human annotation."""

from pathlib import Path
from typing import Annotated

import typer

from radir_node.commands.session import console, opened_node, print_json
from radir_node.errors import UserError
from radir_node.reports.evaluate import evaluate_reports, report_table, write_errors
from radir_node.reports.evaluation.split import SPLITS

app = typer.Typer(help="Measure quality on annotated data.", no_args_is_help=True)


@app.callback()
def evaluate() -> None:
    """Measure quality on annotated data."""


@app.command("cxr-openi")
def cxr_openi(
    data: Annotated[Path, typer.Option(help="Folder that holds openi/ (see the README for its layout).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Rank held-out chest radiographs of Open-i and compare with random, pixels and the ideal order."""
    from radir_node.learning.evaluate import evaluate_cxr_openi, table
    from radir_node.node.encoders import radiograph_encoder

    if not (data / "openi").is_dir():
        raise UserError(f"--data: {data} holds no folder openi")
    with opened_node() as node, radiograph_encoder(node) as encoder:
        found = evaluate_cxr_openi(data, encoder)
    if as_json:
        print_json(found.as_dict())
    else:
        console.out(table(found), highlight=False)


@app.command("reports")
def reports(
    data: Annotated[Path, typer.Option(help="Folder that holds openi/ and text/ with their gold tables.")],
    split: Annotated[str, typer.Option(help="all, dev (rules were written on it) or test (all other items).")] = "test",
    errors: Annotated[
        Path | None, typer.Option(help="Folder to write every disagreement to, with the sentences that were read.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Hold the report parser against human annotation: sites, findings, CT labels and negation."""
    known = next((name for name in SPLITS if name == split), None)
    if known is None:
        raise UserError(f"--split: {split!r} is none of {', '.join(SPLITS)}")
    try:
        found = evaluate_reports(data, known)
        written = write_errors(found, errors) if errors else []
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}") from error
    if as_json:
        print_json(found.as_dict())
        return
    console.out(report_table(found), highlight=False)
    for file in written:
        console.out(f"disagreements: {file}", highlight=False)
