"""`make bench-dicom`: the node against DCMTK and stock pynetdicom, in one run on one machine, as one table.

The same client (DCMTK's storescu, findscu, or a raw peer) sends the same bytes to every system, in turn. The node is
always durable: every object is fsynced before it is acknowledged; the others leave that to the operating system.
"""

import argparse
import datetime as dt
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import workloads
from report import Measured, Report
from synthetic import CT, DX, Files, fill_catalogue, write_archive
from systems import (
    DCMTK,
    QUERY_LIMIT,
    System,
    dcmqrscp,
    environment,
    node,
    pynetdicom,
    remove,
    storescp,
)

from radir_node.catalog.database import open_database

STUDIES = 100_000
IMAGES = 1000
"""Of the first study: what a query at IMAGE level is answered with."""

HELD_BY_DCMQRSCP = QUERY_LIMIT - 4

SIZES = (("32 KB", 300, 128, CT), ("0.5 MB", 200, 512, CT), ("16 MB", 12, 2800, DX))
"""Name, objects, rows and columns, SOP class."""

GIGABYTE = 2**30

STORED_MEANWHILE = 20.0
"""MB/s that every system here can take while it answers queries."""


def main() -> None:
    options = arguments()
    folder = Path(tempfile.mkdtemp(prefix="radir-bench-", dir=options.folder))
    try:
        run(options, folder)
    finally:
        remove(folder)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-dicom", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one repetition of the short rows, in about a minute")
    parser.add_argument("--repeat", type=int, default=0, help="repetitions of each row (default 5; with --quick 1)")
    parser.add_argument("--only", default="", help="rows whose group contains this: store, nagle, parallel, set-up ...")
    parser.add_argument("--json", type=Path, help="write every sample to this file")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="a folder on the disk to measure")
    options = parser.parse_args()
    options.repeat = options.repeat or (1 if options.quick else 5)
    return options


def run(options: argparse.Namespace, folder: Path) -> None:
    report = Report(facts(folder))
    bench = Bench(options, folder, report)
    with ExitStack() as stack:
        start = time.monotonic()
        bench.start(stack)
        progress(f"start: {time.monotonic() - start:.0f} s")
        for group in (
            bench.store,
            bench.parallel,
            bench.nagle,
            bench.set_up,
            bench.find,
            bench.find_while_storing,
            bench.giants,
        ):
            name = group.__name__.replace("_", " ")
            if options.only in name:
                start = time.monotonic()
                group()
                progress(f"{name}: {time.monotonic() - start:.0f} s")
    report.facts["load at the end"] = f"{os.getloadavg()[0]:.2f}"
    report.show()
    if options.json:
        options.json.write_text(json.dumps(report.as_json(), indent=1))


def progress(line: str) -> None:
    print(f"... {line}", file=sys.stderr, flush=True)  # noqa: T201  # a command's output


class Bench:
    """The systems, the files, and one method per group of rows."""

    def __init__(self, options: argparse.Namespace, folder: Path, report: Report) -> None:
        self.options, self.folder, self.report = options, folder, report

    def start(self, stack: ExitStack) -> None:
        """Start every system on the same disk, and fill those that are queried."""
        folder = self.folder
        self._stack = stack
        self._archive: System | None = None
        self.node = stack.enter_context(node(folder))
        database = open_database("", folder / "node" / "postgres")
        stack.callback(database.close)
        workloads.find(self.node, workloads.NOTHING)  # answered once the catalogue has its tables
        fill_catalogue(database.url, STUDIES, IMAGES)
        self.report.facts["fsync of Postgres"] = setting(database.url, "fsync")
        self.single = stack.enter_context(storescp(folder))
        self.fork = stack.enter_context(storescp(folder, fork=True))
        self.library = stack.enter_context(pynetdicom(folder, STUDIES, IMAGES))
        sent = folder / "sent"
        self.one = {name: Files(n, side, uid, [sent / f"{side}"]).write() for name, n, side, uid in SIZES}
        self.four = {
            name: Files(n, side, uid, [sent / f"{side}-{k}" for k in range(1, 5)]).write()
            for name, n, side, uid in SIZES
        }

    def each(
        self, measure: Callable[[System], float], systems: Iterable[System], times: int = 0
    ) -> dict[str, Measured]:
        """Measure every system in turn, so many times: what disturbs one run then disturbs all alike."""
        samples: dict[str, list[float]] = {}
        for _ in range(times or self.options.repeat):
            for system in systems:
                samples.setdefault(system.name, []).append(measure(system))
        return {name: Measured(values) for name, values in samples.items()}

    def store(self) -> None:
        for name, count, *_ in SIZES:
            self._store(f"{count} x {name}", self.one[name], (self.node, self.single, self.library))

    def parallel(self) -> None:
        for name, count, *_ in SIZES:
            self._store(f"4 x ({count} x {name})", self.four[name], (self.node, self.fork, self.library))

    def nagle(self) -> None:
        if self.options.quick:
            return
        with storescp(self.folder, no_delay=False) as plain:
            for name, count, *_ in SIZES:
                row = f"{count} x {name}, Nagle on"
                self._store(row, self.one[name], (self.node, plain, self.library), no_delay=False, times=2)

    def _studies(self, system: System) -> int:
        return HELD_BY_DCMQRSCP if system is self._archive else STUDIES

    def _store(
        self, row: str, files: Files, systems: tuple[System, ...], no_delay: bool = True, times: int = 0
    ) -> None:
        registered: list[float] = []

        def measure(system: System) -> float:
            seconds = workloads.store(system, files, no_delay)
            if system is self.node:
                registered.append(seconds.registered)
            return seconds.acknowledged

        found = self.each(measure, systems, times)
        disk = Measured(
            [workloads.disk_alone(files, self.folder / "disk") for _ in range(times or self.options.repeat)]
        )
        extra = {"registered": Measured(registered), "disk alone": disk}
        self.report.add("C-STORE", row, "s", found, extra, megabytes=files.bytes * len(files.folders) / 1e6)

    def set_up(self) -> None:
        systems = (self.node, self.single, self.library)
        for count in (1, 128):
            found = self.each(lambda s, n=count: workloads.associate(s, n) * 1e3, systems)
            row = f"{count} context{'s' if count > 1 else ''} x {len(workloads.SYNTAXES) if count > 1 else 1} syntaxes"
            self.report.add("association", row, "ms", found)
        found = self.each(lambda s: workloads.echo(s) * 1e3, systems)
        self.report.add("association", "echoscu, its start included", "ms", found)

    def archive(self) -> System:
        """DCMTK's query server: filled once, with the four studies' room that four associations will store into."""
        if self._archive is None:
            self._archive = self._stack.enter_context(dcmqrscp(self.folder))
            write_archive(self.folder / "archive", HELD_BY_DCMQRSCP, IMAGES)
            workloads.send(self._archive, [self.folder / "archive"], True)
        return self._archive

    def find(self) -> None:
        systems = (self.node, self.archive(), self.library)
        for level, answers in (("STUDY", 1), ("STUDY", 100), ("STUDY", 1000), ("IMAGE", IMAGES)):
            asked = {s.name: workloads.question(level, answers, self._studies(s)) for s in systems}
            row = f"{level}, {answers} answer{'s' if answers > 1 else ''}"
            for kind, measure in (("findscu", workloads.find_program), ("last answer", workloads.find)):
                found = self.each(lambda s, m=measure, a=asked: m(s, a[s.name]) * 1e3, systems)
                self.report.add("C-FIND", f"{row}, {kind}", "ms", found)
        self.report.note(
            f"dcmqrscp's index holds {QUERY_LIMIT} studies at most (DB_UpperMaxStudies); it held "
            f"{HELD_BY_DCMQRSCP}, the others {STUDIES:,}. Its 1,000 answers at STUDY level are several queries "
            "on one association, each answered with all that it holds."
        )

    def find_while_storing(self) -> None:
        seconds = 3.0 if self.options.quick else 15.0
        sent = self.folder / "sent"
        files = Files(20, 512, CT, [sent / f"while-{n}" for n in range(4)]).write()
        for rate in (STORED_MEANWHILE, math.inf):
            p50, p99, stored = {}, {}, {}
            for system in (self.node, self.archive(), self.library):
                asked = workloads.question("STUDY", 1, self._studies(system))
                found, megabytes = workloads.find_while_storing(system, asked, files, seconds, rate)
                cuts = statistics.quantiles(found, n=100, method="inclusive")
                p50[system.name], p99[system.name] = Measured([cuts[49] * 1e3]), Measured([cuts[98] * 1e3])
                stored[system.name] = Measured([megabytes])
            row = "all the same" if rate == STORED_MEANWHILE else "as much as each takes"
            self.report.add("C-FIND while storing", f"{row}, p50", "ms", p50)
            self.report.add("C-FIND while storing", f"{row}, p99", "ms", p99)
            self.report.add("C-FIND while storing", f"{row}, stored", "MB/s", stored, more_is_better=True)
        self.report.note(
            f"C-FIND while storing: four storescu send objects of 0.5 MB, first {STORED_MEANWHILE:.0f} MB/s together "
            "to each system, then as fast as it takes them."
        )

    def giants(self) -> None:
        count, size = (8, GIGABYTE // 16) if self.options.quick else (8, GIGABYTE)
        if shutil.disk_usage(self.folder).free < 2 * count * size:
            self.report.note("8 objects of 1 GB in parallel: left out, the disk is too full")
            return
        found = {}
        for system in (self.node, self.fork):
            found[system.name] = workloads.receive_giants(system, count, size)
            os.sync()
        row = f"{count} x {size / GIGABYTE:g} GB in parallel"
        extra = {"registered": Measured([found["node"]["registered_seconds"]])}
        for numbers in found.values():
            numbers["grown_mb"] = numbers["pss_mb"] - numbers["idle_pss_mb"]
        kinds = (("rss_mb", "sum of RSS", "MB"), ("pss_mb", "PSS", "MB"), ("grown_mb", "PSS above idle", "MB"))
        for key, name, unit in (*kinds, ("seconds", "time", "s")):
            values = {system: Measured([numbers[key]]) for system, numbers in found.items()}
            self.report.add("memory", f"{row}, {name}", unit, values, extra if key == "seconds" else None)
        idle = found["node"]
        self.report.note(
            f"Memory is the peak of the whole process group. The sum of RSS counts a page that several processes share "
            f"once for each, PSS once. Idle, the node has {idle['idle_rss_mb']:.0f} and {idle['idle_pss_mb']:.0f} MB. "
            "Postgres and the page cache are not in it."
        )


def setting(database_url: str, name: str) -> str:
    import psycopg

    with psycopg.connect(database_url) as connection:
        row = connection.execute("select current_setting(%s)", (name,)).fetchone()
        return str(row[0]) if row else "unknown"


def facts(folder: Path) -> dict[str, str]:
    """What a reader must know of the machine."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    processor = models[0].partition(":")[2].strip() if models else platform.machine()
    version = said(str(DCMTK / "storescp"), "--version").split()
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    on = max((m for m in mounts if str(folder.resolve()).startswith(m[1])), key=lambda m: len(m[1]))
    import pynetdicom

    return {
        "date": f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
        "node": said("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty").strip(),
        "processors": f"{os.cpu_count()} x {processor}",
        "kernel": platform.release(),
        "file system": on[2],
        "disk, sequential write with fsync": f"{disk_speed(folder):.0f} MB/s",
        "Python": platform.python_version(),
        "DCMTK": version[2] if len(version) > 2 else "not installed",
        "pynetdicom": pynetdicom.__version__,
        "load at the start": f"{os.getloadavg()[0]:.2f}",
    }


def said(*command: str) -> str:
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False).stdout


def disk_speed(folder: Path) -> float:
    block, times = bytes(2**20), 256
    path = folder / "speed"
    start = time.perf_counter()
    with path.open("wb") as file:
        for _ in range(times):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - start
    path.unlink()
    return times * 2**20 / 1e6 / seconds


if __name__ == "__main__":
    main()
