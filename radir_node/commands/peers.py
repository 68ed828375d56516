"""`radir peers`: the application entities that the node knows, and whether one answers."""

from typing import Annotated

import typer
from rich.table import Table

from radir_node.commands.session import configured, console, print_json
from radir_node.settings import VERBS

app = typer.Typer(help="The application entities that the node knows.")


@app.callback(invoke_without_command=True)
def peers(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False
) -> None:
    """List the peers of the configuration: where they are reached, and what they may ask."""
    if context.invoked_subcommand is not None:
        return
    from radir_node.node.peers import roles  # each verb imports only what it runs

    dicom = configured().dicom
    found = [
        {"name": name, **peer.model_dump(mode="json"), "roles": list(roles(dicom, name))}
        for name, peer in dicom.peers.items()
    ]
    if as_json:
        print_json({"peers": found, "unknown_callers": list(dicom.unknown_callers)})
        return
    table = Table("Name", "AE title", "Address", "TLS", "May ask", "Serves as", box=None)
    for row in found:
        allowed = "everything" if set(row["allow"]) == set(VERBS) else ", ".join(row["allow"]) or "nothing"
        address, tls = f"{row['host']}:{row['port']}", "yes" if row["tls"] else "no"
        table.add_row(row["name"], row["ae_title"], address, tls, allowed, ", ".join(row["roles"]))
    console.print(table)
    others = ", ".join(dicom.unknown_callers)
    console.print(f"others may {others}" if others else "others are rejected")


@app.command()
def echo(name: str) -> None:
    """Ask a peer by C-ECHO whether it is there; exit code 75 when it does not answer."""
    from radir_node.node.peers import echo_seconds

    dicom = configured().dicom
    seconds = echo_seconds(dicom, name)
    peer = dicom.peers[name]
    console.print(f"{name}: {peer.ae_title} at {peer.host}:{peer.port} answered in {1000 * seconds:.0f} ms")
