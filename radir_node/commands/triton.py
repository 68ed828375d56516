"""`radir triton serve`: the real Triton server over the shipped models, for sites and tests without a container."""

from pathlib import Path
from typing import Annotated

import typer

from radir_node.commands.session import opened_node

app = typer.Typer(help="The Triton model server.", no_args_is_help=True)


@app.callback()
def triton() -> None:
    """The Triton model server."""


@app.command()
def serve(
    environment: Annotated[Path, typer.Option(help="Virtual environment of the server; made on first use.")] = Path(
        ".triton-venv"
    ),
    http_port: int = 8000,
    grpc_port: int = 8001,
    metrics_port: int = 8002,
) -> None:
    """Serve the models until SIGTERM."""
    from radir_node.encoders.triton_server import serve as serve_models

    with opened_node() as node:
        serve_models(node.model_repository, environment, http_port, grpc_port, metrics_port)
