"""`radir index rebuild | verify`: care for the index by hand."""

from typing import Annotated

import typer

from radir_node.commands.session import console, opened_node, print_json
from radir_node.errors import RadirError

app = typer.Typer(help="Care for the search index.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


class IndexUnsound(RadirError):
    """The index does not serve what the catalogue holds."""


@app.command()
def rebuild(as_json: Json = False) -> None:
    """Write a new snapshot from the catalogue alone and put it in force."""
    from radir_node.index.care import sweep  # each verb imports only what it runs

    with opened_node() as node:
        written = node.index.rebuild()
        sweep(node.index_folder, {written.id})
        if as_json:
            print_json({"snapshot": written.id, "rows": written.rows})
        else:
            console.print(f"snapshot {written.id[:12]} written: {written.rows} vectors")


@app.command("verify")
def verify_index(as_json: Json = False) -> None:
    """Hash the snapshot's files, compare ids with the catalogue both ways, and probe the recall."""
    from radir_node.index.care import check_files, verify
    from radir_node.index.snapshot import SnapshotDamaged

    with opened_node() as node:
        try:
            snapshot = check_files(node.vectors, node.index_folder)
        except SnapshotDamaged as error:
            raise IndexUnsound(f"{error}; `radir index rebuild` makes a new one") from error
        found = verify(node.index.sync(), node.vectors, node.settings.index.probe_queries)
        recalls = {model: recall.recall_at_10 for model, recall in found.recall.items()}
        if snapshot is not None:
            node.vectors.verified(snapshot, min(recalls.values(), default=None))
        if as_json:
            numbers = {"rows": found.rows, "missing": found.missing, "orphaned": found.orphaned}
            print_json({"snapshot": snapshot, **numbers, "recall_at_10": recalls, "sound": found.sound})
        else:
            console.print(
                f"snapshot {snapshot[:12] if snapshot else 'none (served from the catalogue)'}: {found.rows} vectors"
            )
            for model, recall in recalls.items():
                console.print(f"recall@10 {recall:.3f}  {model}")
        if not found.sound:
            raise IndexUnsound(
                f"the index misses {found.missing} vectors and has {found.orphaned} too many; recall {recalls}"
            )
