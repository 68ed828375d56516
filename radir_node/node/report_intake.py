"""The door of every report channel: read, make durable, and only then say yes. For `radir hl7`, pages, command line."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog

from radir_node.catalog.report_inbox import ReportInbox
from radir_node.domain.received_report import Submission
from radir_node.errors import RadirError

log = structlog.get_logger()

MOST_AT_ONCE = 200
"""Messages of one transaction."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    submissions: Sequence[Submission]
    durable: "asyncio.Future[None]"


class GroupCommit:
    """Makes the messages of many connections durable together: one flush of the disk for all that wait for one.

    Lives on one event loop; use as an asynchronous context manager.
    """

    def __init__(self, inbox: ReportInbox) -> None:
        self._inbox = inbox
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue()

    async def __aenter__(self) -> "GroupCommit":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def accept(self, submissions: Sequence[Submission]) -> None:
        """Return when all of a message is durable. Raises what ReportInbox.accept raises: then nothing of it is."""
        waiting = _Waiting(submissions, asyncio.get_running_loop().create_future())
        self._waiting.put_nowait(waiting)
        await waiting.durable

    async def _run(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < MOST_AT_ONCE and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            await self._write(batch)

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        try:
            await asyncio.to_thread(self._inbox.accept, [said for one in batch for said in one.submissions])
        except RadirError as error:
            _tell(batch, error)
        except Exception as error:  # noqa: BLE001  # the data of one of them; the others must not suffer for it
            if len(batch) > 1:
                for one in batch:
                    await self._write([one])
            else:
                _tell(batch, error)
                log.error("report_not_stored", error=type(error).__name__)  # its text may quote the message
        else:
            _tell(batch, None)


def _tell(batch: Iterable[_Waiting], error: Exception | None) -> None:
    for one in batch:
        if one.durable.done():  # the connection is gone
            continue
        if error is None:
            one.durable.set_result(None)
        else:
            one.durable.set_exception(error)
