"""`radir up | scp | worker | web | hl7`: the services, each in the foreground until SIGTERM."""

import typer

from radir_node.commands.session import configured, opened_node


def up() -> None:
    """Run the whole node in the foreground: DICOM server, worker, pages, HL7; SIGTERM ends it gracefully."""
    from radir_node.node.supervisor import Supervisor  # each verb imports only what it runs

    with opened_node() as node:
        _ = node.database  # the embedded Postgres starts, and migrates, before its users
        Supervisor(("scp", "worker", "web", *(("hl7",) if node.settings.hl7.enabled else ()))).run()


def scp() -> None:
    """Run the DICOM server: storage, query/retrieve and the virtual series of similar cases."""
    from radir_node.node.dicom_service import run_scp

    run_scp(configured())


def worker() -> None:
    """Run the worker: completion, indexing, linking of reports, pushing and index care."""
    from radir_node.node.worker import run_worker

    with opened_node() as node:
        run_worker(node)


def web() -> None:
    """Run the pages and the JSON API."""
    from radir_node.node.web_service import run_web

    with opened_node() as node:
        run_web(node)


def hl7() -> None:
    """Take reports by HL7 v2 messages over MLLP."""
    from radir_node.node.hl7_service import run_hl7

    with opened_node() as node:
        run_hl7(node)


def add_to(app: typer.Typer) -> None:
    for verb in (up, scp, worker, web, hl7):
        app.command()(verb)
