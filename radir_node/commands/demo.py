"""`radir demo`: what `make demo` runs. Uses a storage root of its own, never the configured one."""

import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from radir_node.commands.session import console, opened_node
from radir_node.errors import UserError

ROOT = Path(".radir")


def demo(
    once: Annotated[bool, typer.Option(help="End after the look-up in place of serving the pages.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for the Structured Report and the picture.")] = Path("out"),
    studies: Annotated[Path | None, typer.Option(help="A folder of DICOM files in place of the phantoms.")] = None,
    triton: Annotated[bool, typer.Option(help="Encode behind a real Triton server.")] = False,
) -> None:
    """Show the whole main job: receive, index, search overall and by anatomy, and write the report."""
    from radir_node.demo.run import Demo, running_triton  # imports every room

    if studies is not None and not studies.is_dir():
        raise UserError(f"--studies: {studies} is not a folder")
    root = (ROOT / "demo").resolve()
    shutil.rmtree(root, ignore_errors=True)
    quick = {"QUIET_SECONDS_RADIOGRAPH": "1", "QUIET_SECONDS_CT": "2", "PORT": "0"}
    quick["UNKNOWN_CALLERS"] = '["echo", "store", "find", "move", "get"]'  # findscu and getscu need no configuration
    os.environ.update({f"RADIR_DICOM__{key}": value for key, value in quick.items()})
    os.environ.update({"RADIR_STORAGE__ROOT": str(root), "RADIR_DATABASE__URL": ""})
    os.environ.setdefault("RADIR_WEB__PORT", "0")
    os.environ.setdefault("RADIR_HL7__PORT", "0")
    with ExitStack() as stack:
        if triton:
            stack.enter_context(running_triton(console))
        node = stack.enter_context(opened_node())
        Demo(node, console, out, studies, once).run()


def add_to(app: typer.Typer) -> None:
    app.command()(demo)
