"""`radir send`: a storage SCU, so that a folder of files can be sent to this node or any peer."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from radir_node.commands.session import console
from radir_node.errors import PeerUnavailable, UserError
from radir_node.settings import Peer, load_settings


def send(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files or folders.")] = None,
    listing: Annotated[Path | None, typer.Option("--list", help="A text file with one path per line.")] = None,
    host: str = "127.0.0.1",
    port: int = 11112,
    ae_title: Annotated[str, typer.Option(help="Called AE title.")] = "RADIR",
    title: str = "Sending",
) -> None:
    """Send DICOM files over one association."""
    from dicom_services.scu.caller import Caller
    from dicom_services.scu.send import send_files  # imports pydicom

    files = [file for path in paths or [] for file in _files(path)]
    if listing is not None:
        if not listing.is_file():
            raise UserError(f"--list: {listing} is not a file")
        files += [Path(line) for line in listing.read_text().splitlines() if line]
    if not files:
        raise UserError("radir send: no file to send")
    columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TextColumn("files"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=len(files))
        result = send_files(
            Peer(ae_title=ae_title, host=host, port=port),
            files,
            Caller.of(load_settings().dicom),
            lambda done: progress.update(task, completed=done),
        )
    if result.failed:
        raise PeerUnavailable(
            f"{result.failed} of {len(files)} objects were not accepted by {ae_title} at {host}:{port}"
        )


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def add_to(app: typer.Typer) -> None:
    app.command()(send)
