"""What the HL7 service does with a message before it is durable."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from radir_node.domain.received_report import Channel, Submission
from radir_node.node import hl7_service
from radir_node.node.hl7_service import DOCUMENTS_AT_ONCE, Desk
from radir_node.node.report_intake import GroupCommit
from radir_node.settings import Reports


class Durable:
    """Stands for the database: all is written at once."""

    async def accept(self, submissions: Sequence[Submission]) -> None:
        pass


def test_documents_have_threads_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many documents are being read, the threads that write to the database are free."""
    names: list[str] = []
    free, waiting = threading.Event(), threading.Semaphore(0)

    def reading(channel: Channel, raw: bytes, source: str, reports: Reports) -> list[Submission]:
        names.append(threading.current_thread().name)
        waiting.release()
        free.wait(10)
        return [Submission(channel, source, raw)]

    async def send() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1, "database"))
        with ThreadPoolExecutor(DOCUMENTS_AT_ONCE, "document") as readers:
            desk = Desk(Reports(), cast(GroupCommit, Durable()), readers)
            messages = asyncio.gather(*(desk.answer(b"MSH|^~\\&|1\rOBX|1|ED", "ris") for _ in range(4)))
            await asyncio.sleep(0)
            for _ in range(DOCUMENTS_AT_ONCE):
                assert waiting.acquire(timeout=10)
            assert "written" == await asyncio.wait_for(asyncio.to_thread(lambda: "written"), 5)
            free.set()
            await messages

    monkeypatch.setattr(hl7_service, "submissions", reading)
    asyncio.run(send())

    assert 4 == len(names)
    assert all(name.startswith("document") for name in names)
