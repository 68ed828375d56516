"""Run the DICOM server in the foreground until SIGTERM or SIGINT. Called by `radir scp`.

Imports nothing of the node at the top: store workers are forked from here, and need no more than the DICOM package.
"""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from dicom_services.scp.prefork import prepare
from dicom_services.scp.requests import Ports
from radir_node.node.run_files import announced
from radir_node.settings import Settings


def run_scp(settings: Settings) -> None:
    """Serve DICOM until told to stop; open associations get a grace to end."""
    root = settings.storage.root.resolve()
    if settings.dicom.store_workers:
        _run_processes(settings)
        return
    from dicom_services.scp.server import start_server

    stopping = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stopping)
    with (
        _ports(settings) as ports,
        start_server(settings.dicom, root, ports, min_free_mb=settings.storage.min_free_mb) as server,
        _announced(settings, server.address, server.tls_address),
    ):
        signal.sigwait(stopping)


def _run_processes(settings: Settings) -> None:
    root, free = settings.storage.root.resolve(), settings.storage.min_free_mb
    master = prepare(settings.dicom, root, lambda: _ports(settings), min_free_mb=free)
    with _announced(settings, master.address, master.tls_address):
        master.run()


@contextmanager
def _announced(settings: Settings, plain: tuple[str, int], tls: tuple[str, int] | None) -> Iterator[None]:
    root = settings.storage.root.resolve()
    with ExitStack() as stack:
        stack.enter_context(announced(root, "scp", *plain))
        if tls is not None:
            stack.enter_context(announced(root, "scp-tls", *tls))
        yield


@contextmanager
def _ports(settings: Settings) -> Iterator[Ports]:
    """Open the node in this process, and what the DICOM server asks of it."""
    from radir_node.node.archive import QueryArchive
    from radir_node.node.node import Node
    from radir_node.node.similar_series import SimilarSeries

    with Node(settings) as node:
        yield Ports(
            node.intake,
            QueryArchive(node.holdings, node.root),
            SimilarSeries.of(node),
            node.commitments,
            node.procedure_steps,
            node.completion,
        )
