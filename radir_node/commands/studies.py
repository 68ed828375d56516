"""`radir status`, `radir studies` and what may be done to a study: is the node ready, and what became of each?"""

from typing import Annotated

import typer
from rich.table import Table

from radir_node.commands.session import console, opened_node, print_json
from radir_node.domain.study import StudyState
from radir_node.errors import UnknownStudy

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def status(as_json: Json = False) -> None:
    """Say whether the node is ready and what it holds."""
    from radir_node.node.status import ready  # each verb imports only what it runs
    from radir_node.node.status import status as node_status

    with opened_node() as node:
        found = node_status(node)
        if as_json:
            print_json(found)
            return
        for name, answers in ready(node).items():
            console.print(f"{name:<10} {'answers' if answers else 'does not answer'}")
        console.print(f"instances  {found['instances']}\nreports    {found['reports']}\nqueue      {found['queue']}")
        console.print("studies    " + (", ".join(f"{n} {state}" for state, n in found["studies"].items()) or "none"))
        console.print(
            "indexed    " + (", ".join(f"{n} {modality}" for modality, n in found["indexed"].items()) or "none")
        )
        held = f"{found['unregistered']} acknowledged and not registered, {found['quarantined']} quarantined"
        console.print(f"spool      {held}")
        for name in ("deliveries", "reports"):
            waiting, dead = found[f"{name}_waiting"], found[f"{name}_dead"]
            console.print(f"{'to peers' if name == 'deliveries' else '':<10} {waiting} {name} waiting, {dead} dead")


def studies(as_json: Json = False) -> None:
    """List every study with its state, and the reason where it is not searchable."""
    with opened_node() as node:
        found = node.studies.list()
        if as_json:
            print_json(found)
            return
        table = Table("Study Instance UID", "State", "Complete", "Modality", "Instances", "Reason", box=None)
        for row in found:
            complete = f"{row['completion']} ({row['evidence']})" if row["completion"] else ""
            more = f" of {row['expected_instances']}" if row["expected_instances"] else ""
            counted = f"{row['instances']}{more}"
            table.add_row(row["study_instance_uid"], row["state"], complete, row["modality"], counted, row["reason"])
        console.print(table)


def instances(study_uid: str, as_json: Json = False) -> None:
    """List the instances of one study, and why each is not indexed."""
    with opened_node() as node:
        found = node.studies.instances(study_uid)
        if not found:
            raise UnknownStudy("unknown study: the catalogue holds no study with this Study Instance UID")
        if as_json:
            print_json(found)
            return
        for row in found:
            console.print(f"{row['sop_instance_uid']}  {row['reason'] or 'no objection'}")


def reindex(
    study_uid: Annotated[str, typer.Argument(help="One study; without it all that failed.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every finished study, after a change of model.")] = False,
) -> None:
    """Index studies again: those that failed, all, or one."""
    finished = (StudyState.INDEXED, StudyState.NOT_INDEXABLE, StudyState.FAILED)
    with opened_node() as node:
        queued = node.studies.reindex(finished if everything or study_uid else (StudyState.FAILED,), study_uid)
        if study_uid and not queued:
            raise UnknownStudy("the catalogue holds no finished study with this Study Instance UID")
        console.print(f"queued: {queued}")


def complete(study_uid: str) -> None:
    """Index an open study now, as it is, without waiting for more of it."""
    from radir_node.node.operator import COMMAND_LINE, Operator

    with opened_node() as node:
        Operator(node, COMMAND_LINE).complete(study_uid)
        console.print("queued for the index")


def reopen(study_uid: str) -> None:
    """Let a finished study settle anew: whether it is complete is asked again, then it is indexed."""
    from radir_node.node.operator import COMMAND_LINE, Operator

    with opened_node() as node:
        Operator(node, COMMAND_LINE).reopen(study_uid)
        console.print("open again")


def add_to(app: typer.Typer) -> None:
    for verb in (status, studies, instances, reindex, complete, reopen):
        app.command()(verb)
