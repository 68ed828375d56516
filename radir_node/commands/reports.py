"""`radir reports`: messages of the report channels that are in trouble; bulk files; reading again and discarding."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from radir_node.commands.orders import Ids, chosen, command_line_operator
from radir_node.commands.session import console, opened_node, print_json
from radir_node.errors import NotIndexable, UserError

app = typer.Typer(help="Reports that come by HL7, FHIR, REST and bulk files.")

All = Annotated[bool, typer.Option("--all", help="Everything in trouble.")]
MOST_LISTED = 1000
MOST_REFUSED = 20
"""Rows that are named; the rest is counted."""


@app.callback(invoke_without_command=True)
def list_reports(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False
) -> None:
    """List messages that cannot be read (dead), are of another patient (quarantined), or wait for images (pending)."""
    if context.invoked_subcommand is not None:
        return
    with opened_node() as node:
        found, counts = node.report_inbox.troubled(MOST_LISTED), node.report_inbox.counts()
    if as_json:
        print_json({"messages": {state.value: n for state, n in counts.items()}, "troubled": found})
        return
    console.print(", ".join(f"{n} {state}" for state, n in counts.items() if n) or "no message came yet")
    if found:
        table = Table("ID", "Came", "Channel", "Source", "State", "Status", "Reason", box=None)
        for row in found:
            came = f"{row['received_at']:%Y-%m-%d %H:%M:%S}"
            texts = [str(row[name]) for name in ("channel", "source", "state", "status", "reason")]
            table.add_row(str(row["id"]), came, *texts)
        console.print(table)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV (with a header) or JSON lines; the fields are in the README.")],
    source: Annotated[str, typer.Option(help="Whose reports they are: a name of [reports.sources].")] = "bulk",
) -> None:
    """Take the reports of a file; rows that cannot be read are named and left out."""
    from rich.progress import Progress  # each verb imports only what it runs

    from radir_node.node.report_import import import_reports

    accepted, refused = 0, 0
    with opened_node() as node, Progress(console=console) as bar:
        task = bar.add_task("reports", total=file.stat().st_size if file.is_file() else None)
        for step in import_reports(node, file, source):
            for line in step.refused[: max(0, MOST_REFUSED - refused)]:
                bar.console.print(line)
            accepted, refused = accepted + step.accepted, refused + len(step.refused)
            bar.update(task, completed=step.position)
    console.print(f"accepted: {accepted}, refused: {refused}")
    if refused:
        raise NotIndexable(f"{file}: {refused} rows cannot be read; all others were taken")


@app.command()
def replay(ids: Ids = None, everything: All = False) -> None:
    """Read dead letters again, and link quarantined and pending messages anew."""
    with opened_node() as node:
        which = chosen(ids, everything)
        again = command_line_operator(node).replay_reports(which)
        if ids and not again:
            raise UserError("none of these can be read or linked anew")
        console.print(f"linked anew: {again}")


@app.command()
def show(
    number: Annotated[int, typer.Argument(metavar="ID", help="Number of the list.")],
    out: Annotated[Path | None, typer.Option(help="Write the message here as it came.")] = None,
) -> None:
    """Show a message with everything it says, to find out what is wrong with it; the audit notes that it was shown."""
    with opened_node() as node:
        message = command_line_operator(node).show_report(number)
    if out is not None:
        if message.payload is None:
            raise UserError(f"message {number} was read; its text is kept, not the message as it came")
        try:
            out.write_bytes(message.payload)
        except OSError as error:
            raise UserError(f"{out}: {error.strerror}") from error
        return
    console.out(f"patient ID {message.patient_id or '-'}", highlight=False)
    console.out(f"accession number {', '.join(message.accession_numbers) or '-'}", highlight=False)
    console.out(f"Study Instance UID {', '.join(message.study_instance_uids) or '-'}\n", highlight=False)
    console.out(message.text or (message.payload or b"").decode(errors="replace").replace("\r", "\n"), highlight=False)


@app.command()
def discard(ids: Ids = None) -> None:
    """Remove the content of messages in trouble for good."""
    if not ids:
        raise UserError("say which: numbers of the list")
    with opened_node() as node:
        console.print(f"discarded: {command_line_operator(node).discard_reports(ids)}")


@app.command()
def reparse() -> None:
    """Read all reports again that an earlier version of the parser has read; the worker does so by itself too."""
    from radir_node.reports.parser import PARSER_VERSION

    with opened_node() as node:
        outdated = node.report_linking.standing(PARSER_VERSION).outdated
        node.report_linking.adopt_outdated(PARSER_VERSION)
        console.print(f"queued: {outdated}")
