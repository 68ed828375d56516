"""Run the pages in the foreground until SIGTERM or SIGINT. Called by `radir web`."""

import signal

import structlog

from radir_node.catalog.migrate import ensure_secret
from radir_node.node.node import Node
from radir_node.node.pages import Pages
from radir_node.node.run_files import announced
from radir_node.web.app import create_app
from radir_node.web.server import listen, web_server

log = structlog.get_logger()


def run_web(node: Node) -> None:
    """Serve the pages until told to stop."""
    web = node.settings.web
    app = create_app(
        Pages.of(node),
        secret=ensure_secret(node.database, "sessions").hex(),
        https_only=web.https,
        session_hours=web.session_hours,
        frame_ancestors=web.frame_ancestors,
        usual_k=node.settings.search.k,
    )
    # uvicorn raises the signal again after its own shutdown; what is open here must still be closed then.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    listener = listen(web.host, web.port)
    port = listener.getsockname()[1]
    with announced(node.root, "web", web.host, port):
        log.info("web_listening", host=web.host, port=port)
        web_server(app).run(sockets=[listener])
