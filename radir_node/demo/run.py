"""Run the demo: start the node, send the archive from another process, look the held-back study up, serve the pages."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from radir_node.catalog.accounts import Accounts
from radir_node.demo.archive import DemoStudy, held_back, phantom_archive, studies_in
from radir_node.demo.picture import contact_sheet
from radir_node.domain import anatomy
from radir_node.domain.match import Query, SimilarCases
from radir_node.domain.report import Status
from radir_node.domain.study import StudyState
from radir_node.errors import RadirError
from radir_node.node.node import Node
from radir_node.node.reader import preview_path
from radir_node.node.run_files import endpoint
from radir_node.node.similar_series import SimilarSeries
from radir_node.node.status import ready
from radir_node.results.screen import show

FINISHED = {StudyState.INDEXED, StudyState.NOT_INDEXABLE, StudyState.FAILED}
START_SECONDS = 60
INDEX_SECONDS_PER_STUDY = 20
POLL_SECONDS = 0.3


class DemoStuck(RadirError):
    """The demo waited too long for something."""


@dataclass(frozen=True)
class Demo:
    """What the demo was asked to do."""

    node: Node
    console: Console
    out: Path
    studies: Path | None
    once: bool

    def run(self) -> None:
        """Raises RadirError when any step fails."""
        self.out.mkdir(parents=True, exist_ok=True)
        with running_node(self.node):
            password = secrets.token_urlsafe(9)
            Accounts(self.node.database).put("demo", password, "admin")
            archive = self._archive()
            query = held_back(archive)
            others = [study for study in archive if study is not query]
            self._send(others, f"Sending {len(others)} studies to the node")
            self._wait_indexed(len(others))
            self._send([query], "Sending the held-back study")
            self._wait_indexed(len(archive))
            self._look_up(query)
            if not self.once:
                self._serve(query, password)

    def _archive(self) -> list[DemoStudy]:
        if self.studies is not None:
            return studies_in(self.studies)
        with bar(self.console, "Drawing the phantom archive") as advance:
            return phantom_archive(self.node.root.parent / "phantoms", advance)

    def _send(self, studies: Sequence[DemoStudy], title: str) -> None:
        """Send from another process, as a PACS would, over one real association."""
        at = endpoint(self.node.root, "scp")
        if at is None:
            raise DemoStuck("the DICOM server is gone")
        listing = self.node.root / "run" / "send.txt"
        listing.write_text("\n".join(str(path.resolve()) for study in studies for path in study.files))
        command = [sys.executable, "-m", "radir_node", "send", "--list", str(listing), "--title", title]
        sender = subprocess.run([*command, "--host", at[0], "--port", str(at[1])], check=False)
        if sender.returncode and not self.node.studies.counts()["instances"]:
            raise DemoStuck(f"nothing was sent; see {self.node.root / 'node.log'}")

    def _wait_indexed(self, expected: int) -> None:
        """Show how far the worker is; the limit grows with the archive."""
        with bar(self.console, "Encoding and indexing") as advance:

            def done() -> bool:
                states = self.node.studies.counts()["studies"]
                finished = sum(int(n) for state, n in states.items() if state in FINISHED)
                advance(finished, expected)
                return 0 < finished == sum(int(n) for n in states.values())

            wait_for(done, 30 + INDEX_SECONDS_PER_STUDY * expected, "the studies are not indexed")
        states = self.node.studies.counts()["studies"]
        self.console.print("  " + ", ".join(f"{n} {state}" for state, n in sorted(states.items())))

    def _look_up(self, query: DemoStudy) -> None:
        overall = self._search(query, "*")
        by_anatomy = self._search(query, self._anatomy_of(query, overall))
        series = SimilarSeries.of(self.node)
        report = self.out / "similar-cases.dcm"
        shutil.copyfile(series.document(overall.query, "demo"), report)
        picture = self.out / "similar-cases.png"
        contact_sheet([self._row(answer) for answer in (overall, by_anatomy)], picture)
        self.console.print(f"\nStructured Report  {report}\nPicture            {picture}")

    def _search(self, query: DemoStudy, asked: str) -> SimilarCases:
        answer = self.node.search.similar(Query(query.study_instance_uid, asked, self.node.settings.search.k))
        self.console.rule()
        show(self.console, answer)
        return answer

    def _anatomy_of(self, query: DemoStudy, overall: SimilarCases) -> str:
        """Return an anatomy that the query's own report speaks of, else the first that the encoder knows."""
        case = self.node.cases.by_uid(query.study_instance_uid)
        known = self.node.models[overall.modality].anatomies
        tags = [tag for report in (case.reports if case else ()) for tag in report.tags if tag.status is Status.PRESENT]
        partitions = (anatomy.nearest(tag.anatomy, known) for tag in tags)
        return next((partition for partition in partitions if partition), known[0])

    def _row(self, answer: SimilarCases) -> tuple[SimilarCases, Path, list[Path]]:
        uids = [answer.query.study_instance_uid, *(match.study_instance_uid for match in answer.matches)]
        found = [self.node.cases.by_uid(uid) for uid in uids]
        pictures = [preview_path(self.node.preview_folder, case.id if case else 0) for case in found]
        return answer, pictures[0], pictures[1:]

    def _serve(self, query: DemoStudy, password: str) -> None:
        at = endpoint(self.node.root, "web")
        if at is None:
            raise DemoStuck("the web server is gone")
        base = f"http://{at[0]}:{at[1]}"
        self.console.rule()
        self.console.print(f"Open        {base}/launch?studyUID={query.study_instance_uid}")
        self.console.print(
            f"Index health {base}/admin\nLog in as   demo / {password}\nStop with   Ctrl-C", markup=False
        )
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        stop.wait()


@contextmanager
def running_node(node: Node) -> Iterator[None]:
    """Run `radir up` on the same storage root until the block ends."""
    log = (node.root / "node.log").open("wb")
    _ = node.database
    child = subprocess.Popen([sys.executable, "-m", "radir_node", "up"], stderr=log, stdout=log, env=os.environ)
    try:

        def answering() -> bool:
            if child.poll() is not None:
                raise DemoStuck(f"the node ended with exit code {child.returncode}; see {log.name}")
            return all(ready(node).values())

        wait_for(answering, START_SECONDS, f"the node does not start; see {log.name}")
        yield
    finally:
        child.terminate()
        child.wait()
        log.close()


@contextmanager
def running_triton(console: Console) -> Iterator[None]:
    """Run the real Triton server for the demo's encoders, on free loopback ports."""
    from radir_node.encoders.triton_server import TritonServer, ensure_environment
    from radir_node.node.node import shipped_models

    console.print("Starting the Triton server (the first time installs it, about a minute)")
    environment = ensure_environment(Path(os.environ.get("RADIR_TRITON_VENV", ".triton-venv")))
    with TritonServer(environment, shipped_models()) as server:
        os.environ.update({"RADIR_ENCODERS__RUNTIME": "triton", "RADIR_ENCODERS__TRITON_URL": server.grpc_url})
        yield


@contextmanager
def bar(console: Console, title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar; the yielded function takes (done, of)."""
    columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll until the condition holds. Raises DemoStuck after `seconds`."""
    pause = threading.Event()
    for _ in range(int(seconds / POLL_SECONDS)):
        if condition():
            return
        pause.wait(POLL_SECONDS)
    raise DemoStuck(f"{what} after {seconds:.0f} s")
