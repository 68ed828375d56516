"""`make fuzz-dicom`: malformed PDUs against the node's DICOM server, until so many were sent.

A caller associates, says things that are right but for one PDU, and asks for a C-ECHO after each: the node answers it,
or has ended the association. A node that does neither hangs; one that logs an error, or whose process dies, crashes.
"""

import argparse
import dataclasses
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mutation
from attacked import Target
from raw_peer import Aborted, Closed, PeerError, RawPeer, Rejected, Silent, echo_rq
from systems import node, remove

from radir_node.catalog.database import open_database

HANG_SECONDS = 5.0
"""A peer that has said that it will send nothing more waits so long for the end of the connection."""

MESSAGE_IDS = range(1000, 60000)
"""Of the C-ECHO that follows each malformed PDU."""

GROWTH_MB = 64
"""Over the whole run, after the first tenth: allocators keep what they had once."""


@dataclass
class Tally:
    """What was sent, and what became of it."""

    mutated: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    hangs: list[str] = field(default_factory=list)
    """Seed and step of each conversation that hung."""

    def add(self, other: "Tally") -> None:
        self.mutated += other.mutated
        self.outcomes.update(other.outcomes)
        self.hangs += other.hangs


def fuzz(port: int, seed: int, enough: Callable[[Tally], bool]) -> Tally:
    """Hold conversations from consecutive seeds until it is enough."""
    tally = Tally()
    while not enough(tally):
        converse(port, seed, tally)
        seed += 1
    return tally


def converse(port: int, seed: int, tally: Tally) -> None:
    """One association, or the attempt at one; the seed alone decides every byte."""
    rng = random.Random(seed)
    contexts = rng.choice((mutation.CONTEXTS, mutation.STORE_CONTEXTS))
    try:
        with RawPeer(port, timeout=HANG_SECONDS) as peer:
            if rng.random() < 0.2:
                tally.mutated += 1
                peer.send(mutation.mutated(rng, mutation.request(contexts)))
                tally.outcomes[after_a_request(peer)] += 1
            else:
                peer.send(mutation.request(contexts)).accept()
                for step in mutation.steps(rng, contexts):
                    outcome = say(peer, rng, step, tally)
                    tally.outcomes[outcome] += 1
                    if outcome != "answered":
                        break
    except Silent:
        tally.outcomes["hung"] += 1
        tally.hangs.append(f"seed {seed}")
    except (PeerError, OSError) as error:
        tally.outcomes[type(error).__name__.lower()] += 1


def say(peer: RawPeer, rng: random.Random, step: mutation.Step, tally: Tally) -> str:
    """Send a message of which one PDU is wrong, then a C-ECHO; return what the node did. Raises Silent."""
    wrong = rng.randrange(len(step.pdus))
    sent = [mutation.mutated(rng, part) if at == wrong else part for at, part in enumerate(step.pdus)]
    message_id = rng.choice(MESSAGE_IDS)
    tally.mutated += 1
    try:
        peer.send(*sent, echo_rq(1, message_id))
        peer.socket.settimeout(0.02)
        try:
            return until_answered(peer, message_id)
        except Silent:  # it may be waiting for the rest of what a wrong length announced: there is no rest
            peer.socket.settimeout(HANG_SECONDS)
            peer.stop_sending()
            return until_answered(peer, message_id)
    except Aborted:
        return "aborted"
    except (Closed, OSError):
        return "closed"


def until_answered(peer: RawPeer, message_id: int) -> str:
    while True:
        kind, body = peer.read_pdu()
        if kind == 7:
            return "aborted"
        if kind == 6:
            return "released"
        if kind == 4 and message_id.to_bytes(2, "little") in body and b"\x30\x80" in body:
            return "answered"


def after_a_request(peer: RawPeer) -> str:
    try:
        peer.socket.settimeout(0.02)
        try:
            peer.accept()
        except Silent:
            peer.socket.settimeout(HANG_SECONDS)
            peer.stop_sending()
            peer.accept()
    except Rejected:
        return "rejected"
    except Aborted:
        return "aborted"
    except (Closed, OSError):
        return "closed"
    return "accepted"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz-dicom", description=__doc__.splitlines()[0])
    parser.add_argument("--pdus", type=int, default=200_000, help="malformed PDUs to send")
    parser.add_argument("--seed", type=int, default=1, help="conversations are numbered from here")
    parser.add_argument("--callers", type=int, default=4, help="processes that call at the same time")
    parser.add_argument("--replay", type=int, help="hold the one conversation of this seed and say what came of it")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="radir-fuzz-"))
    verbs = '["echo", "store", "find", "move", "get", "commitment", "mpps", "availability"]'
    try:
        with node(folder, DICOM__UNKNOWN_CALLERS=verbs, DICOM__TIMEOUTS__PDU_SECONDS="10") as running:
            target = Target(running.port, folder / "node", running.members, GROWTH_MB, log=folder / "node.log")
            target.warm_up()
            target.crowd()
            if options.replay is not None:
                tally = Tally()
                converse(running.port, options.replay, tally)
                say_so(f"{dict(tally.outcomes)}", *target.failures())
                return 0
            return campaign(options, target)
    finally:
        open_database("", folder / "node" / "postgres").close()
        remove(folder)


def campaign(options: argparse.Namespace, target: Target) -> int:
    """Send all of them from several processes; return 1 where anything crashed, hung or grew."""
    before = set(target.pids())
    start = time.monotonic()
    total, warm = Tally(), target.usage()
    shares = 10
    with multiprocessing.get_context("fork").Pool(options.callers) as pool:
        for share in range(shares):
            count = options.pdus // shares // options.callers + 1
            jobs = [
                (target.port, options.seed + (share * options.callers + n) * 10**7, count)
                for n in range(options.callers)
            ]
            for tally in pool.starmap(one_share, jobs):
                total.add(tally)
            if share == 0:
                warm = settled(target)
            now = target.usage()
            say_so(
                f"{total.mutated:,} malformed PDUs, {total.mutated / (time.monotonic() - start):,.0f} per second, "
                f"RSS {now.rss_mb:.0f} MB ({target.by_process()}), {now.threads} threads"
            )
    end = settled(target)
    found = target.failures()
    dead = before - set(target.pids())
    grown = end.rss_mb - warm.rss_mb
    alive = target.answers()
    say_so(
        f"malformed PDUs    {total.mutated:,}",
        f"outcomes          {', '.join(f'{name} {count:,}' for name, count in total.outcomes.most_common())}",
        f"crashes           {len(found) + len(dead)}",
        f"hangs             {len(total.hangs)} {' '.join(total.hangs[:10])}",
        f"memory            {warm.rss_mb:.0f} MB after the first tenth, {end.rss_mb:.0f} MB at the end",
        f"threads           {warm.threads} -> {end.threads}, descriptors {warm.descriptors} -> {end.descriptors}",
        f"answers C-ECHO    {'yes' if alive else 'no'}",
        *dict.fromkeys(found[:20]),
    )
    return int(bool(found or dead or total.hangs or grown > GROWTH_MB or end.threads > warm.threads or not alive))


def one_share(port: int, seed: int, count: int) -> Tally:
    return fuzz(port, seed, lambda tally: tally.mutated >= count)


def settled(target: Target, seconds: float = 15) -> Any:
    """What the server holds when its last associations have ended."""
    deadline = time.monotonic() + seconds
    best = target.usage()
    while time.monotonic() < deadline:
        now = target.usage()
        if (now.threads, now.descriptors) == (best.threads, best.descriptors) and now.threads <= target.before.threads:
            return now
        best = dataclasses.replace(now)
        time.sleep(0.2)
    return best


def say_so(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)  # noqa: T201  # a command's output


if __name__ == "__main__":
    sys.exit(main())
