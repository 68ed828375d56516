"""The list of requirements and the tests that answer it are one thing."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def listed(repository: Path) -> list[str]:
    """The ids of requirements.md, in order."""
    text = (repository / "tests" / "requirements.md").read_text()
    return re.findall(r"^\| (RN-\d+) \| \S.* \|$", text, re.MULTILINE)


@pytest.fixture(scope="module")
def answered(repository: Path) -> Counter[str]:
    """How many tests carry each id."""
    return Counter(found for path in (repository / "tests").rglob("test_*.py") for found in marked(path))


def test_requirements_are_numbered_without_a_gap(listed: list[str]) -> None:
    """An id means the same thing for ever: new lines go to the end, and none is taken out."""
    assert len(listed) >= 15
    assert [f"RN-{number:02d}" for number in range(1, len(listed) + 1)] == listed


def test_each_requirement_has_a_test(listed: list[str], answered: Counter[str]) -> None:
    """A promise without a test is none."""
    assert [] == [identity for identity in listed if not answered[identity]]


def test_each_marked_test_answers_a_listed_requirement(listed: list[str], answered: Counter[str]) -> None:
    """A marker names a line that can be read."""
    assert set() == set(answered) - set(listed)


def marked(path: Path) -> Iterator[str]:
    """Yield the requirement id of each marked test function of a module."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.requirement":
                    yield ast.literal_eval(decorator.args[0])
