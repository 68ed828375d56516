"""Fixtures of the similarity tests."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from radir_node.reports.similarity.entities import Entity


@pytest.fixture(scope="session")
def bench_similarity(repository: Path) -> Callable[..., list[tuple[Entity, ...]]]:
    """The made-up reports of `make bench-similarity`."""
    spec = importlib.util.spec_from_file_location("bench_similarity", repository / "tests" / "bench" / "similarity.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.made_up_reports
