"""The `radir` command. One verb = one process = one systemd unit; every error is one line and an exit code.

Exit codes: 0 done; 1 failed; 2 the request or the configuration is wrong; 65 the object cannot be used;
75 try again later (database, disk, peer or encoder is away); 130 interrupted.
"""

import sys

import click
import typer

from radir_node.commands import (
    annotate,
    demo,
    evaluate,
    index,
    owed,
    peers,
    reports,
    search,
    send,
    services,
    studies,
    triton,
    users,
)
from radir_node.errors import RadirError

app = typer.Typer(
    name="radir",
    help="Similar-case retrieval beside the PACS.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
services.add_to(app)
studies.add_to(app)
search.add_to(app)
send.add_to(app)
demo.add_to(app)
app.add_typer(peers.app, name="peers")
app.add_typer(owed.deliveries, name="deliveries")
app.add_typer(owed.commitments, name="commitments")
app.add_typer(reports.app, name="reports")
app.add_typer(index.app, name="index")
app.add_typer(users.app, name="user")
app.add_typer(evaluate.app, name="eval")
app.add_typer(annotate.app, name="annotate")
app.add_typer(triton.app, name="triton")


def main() -> None:
    """Run a verb; turn the node's errors into one line and an exit code."""
    try:
        app(standalone_mode=False)
    except RadirError as error:
        sys.exit(_fail(str(error), error.exit_code))
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        sys.exit(_fail(error.format_message(), error.exit_code))
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(message: str, exit_code: int) -> int:
    print(f"radir: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    return exit_code


if __name__ == "__main__":
    main()
