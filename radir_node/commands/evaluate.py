"""`radir eval cxr-openi`: retrieval quality of the installed encoder on held-out studies."""

from pathlib import Path
from typing import Annotated

import typer

from radir_node.commands.session import console, opened_node, print_json
from radir_node.errors import UserError

app = typer.Typer(help="Measure retrieval quality.", no_args_is_help=True)


@app.callback()
def evaluate() -> None:
    """Measure retrieval quality."""


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
