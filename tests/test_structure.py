"""The house keeps its shape: every module has its line, its docstring and its size, and nothing names a machine."""

import ast
import configparser
import fnmatch
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = ("radir_node", "dicom_services", "sql")
FOLDERS = (*PACKAGES, "triton_models")
"""With Python modules of ours."""

LINES_OF_A_BODY = 60
LINES_OF_A_MODULE = 400
USUAL_LINES_OF_A_BODY = 25
"""Nine of ten bodies are no longer than this."""

MACHINE_PATH = re.compile(r"(?<![\w.:-])/(work|root|tmp|home/\w+|Users/\w+)/")
PACKAGE_SOURCE = re.compile(
    r"https?://[^\s\"'`<>)]*(pypi|pythonhosted|npmjs|registry|artifactory|nexus|mirror|proxy|/simple|/whl)[^\s\"'`<>)]*"
)
NAMED_SOURCES = {"https://download.pytorch.org/whl/cpu"}
"""The CPU build of torch lies there and nowhere else; every other package comes from where the machine says."""


@pytest.fixture(scope="module")
def setup_cfg(repository: Path) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser()
    parsed.read(repository / "setup.cfg")
    return parsed


@pytest.fixture(scope="module")
def tracked(repository: Path) -> list[Path]:
    """Files under version control, relative to the root."""
    try:
        done = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    if done.returncode:
        pytest.skip("this is no git checkout")
    listed = [Path(name) for name in done.stdout.decode().split("\0") if name]
    return [path for path in listed if (repository / path).is_file()]


@pytest.fixture(scope="module")
def texts(repository: Path, tracked: list[Path]) -> dict[str, str]:
    """Every text file under version control."""
    contents = {path: (repository / path).read_bytes() for path in tracked}
    return {path.as_posix(): content.decode() for path, content in contents.items() if b"\0" not in content}


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_module_has_one_line_in_the_readme(repository: Path, folder: str) -> None:
    """The table of a folder's README names every module and sub-package once, and nothing that is not there."""
    root = repository / folder
    expected = {path.relative_to(root).as_posix() for path in modules(root) if path.name != "__init__.py"}
    expected |= {f"{path.parent.relative_to(root).as_posix()}/" for path in root.rglob("*/__init__.py")}

    rows = re.findall(r"^\| \**`([^`]+)`\** \| .*\S.* \|$", (root / "README.md").read_text(), re.MULTILINE)
    named = [row for row in rows if row.endswith((".py", "/"))]

    assert sorted(expected) == sorted(named)


def test_each_folder_of_tests_has_one_line_in_the_readme(repository: Path) -> None:
    """tests/README.md says what each folder tests and which peers it talks to."""
    root = repository / "tests"
    folders = {f"{path.relative_to(root).parts[0]}/" for path in root.glob("*/**/test_*.py")}
    files = {path.name for path in root.glob("test_*.py")}

    text = (root / "README.md").read_text()

    assert [] == sorted(name for name in folders | files if f"\n| `{name}` |" not in text)


def test_each_top_level_folder_has_a_readme(tracked: list[Path]) -> None:
    """Who opens a folder first finds out what it holds; .ci/ is for the machine."""
    folders = {path.parts[0] for path in tracked if len(path.parts) > 1} - {".ci"}

    without = sorted(folder for folder in folders if Path(folder, "README.md") not in tracked)

    assert [] == without


def test_the_layers_of_the_readme_are_those_of_the_contract(
    repository: Path, setup_cfg: configparser.ConfigParser
) -> None:
    """The picture of who may import whom is the one that import-linter checks."""
    expected = setup_cfg["importlinter:contract:layers"]["layers"].strip()

    actual = (repository / "radir_node" / "README.md").read_text().split("```")[1].strip()

    assert expected == actual


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_module_says_what_it_is(repository: Path, folder: str) -> None:
    """Packages included: a docstring, so an __init__.py in each folder that holds modules."""
    root = repository / folder
    found = list(modules(root))
    silent = [path for path in found if not ast.get_docstring(ast.parse(path.read_text()))]
    bare = {path.parent for path in found if folder in PACKAGES and not (path.parent / "__init__.py").is_file()}

    assert [] == sorted(path.relative_to(repository).as_posix() for path in (*silent, *bare))


@pytest.mark.parametrize("folder", PACKAGES)
def test_modules_and_functions_are_small(repository: Path, folder: str) -> None:
    """No module over 400 lines, no body over 60 without its docstring, nine bodies of ten within 25."""
    found = list(modules(repository / folder))
    lengths = {path: len(path.read_text().splitlines()) for path in found}
    bodies = [(lines, f"{path.relative_to(repository)}: {name}") for path in found for name, lines in functions(path)]

    assert [] == [path for path, lines in lengths.items() if lines > LINES_OF_A_MODULE]
    assert [] == [where for lines, where in bodies if lines > LINES_OF_A_BODY]
    assert 0.9 * len(bodies) <= sum(lines <= USUAL_LINES_OF_A_BODY for lines, _ in bodies)


def test_no_file_names_a_machine(texts: dict[str, str]) -> None:
    """A checkout works wherever it lies: no file holds a path of the machine that it was written on."""
    found = {(name, match.group()) for name, text in texts.items() for match in MACHINE_PATH.finditer(text)}

    assert set() == found


def test_no_file_names_a_package_source(texts: dict[str, str]) -> None:
    """Where packages come from is the machine's decision, a site's mirror for instance."""
    found = {match.group(): name for name, text in texts.items() for match in PACKAGE_SOURCE.finditer(text)}

    assert {} == {source: name for source, name in found.items() if source not in NAMED_SOURCES}


def test_each_package_is_installed(repository: Path, setup_cfg: configparser.ConfigParser) -> None:
    """What setup.cfg finds are all folders with modules of ours, and every data file in them."""
    setuptools = pytest.importorskip("setuptools")
    include = setup_cfg["options.packages.find"]["include"].split()
    patterns = [Path(part.strip()).name for part in setup_cfg["options.package_data"]["*"].split(",")]
    folders = {path.parent for package in PACKAGES for path in modules(repository / package)}
    inside = [path for package in PACKAGES for path in (repository / package).rglob("*") if path.is_file()]
    data = [path for path in inside if path.suffix not in (".py", ".pyc", ".md")]

    found = setuptools.find_packages(str(repository), include=include)

    assert sorted(".".join(folder.relative_to(repository).parts) for folder in folders) == sorted(found)
    assert [] == [path for path in data if not any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns)]


def modules(root: Path) -> Iterator[Path]:
    return (path for path in sorted(root.rglob("*.py")) if "__pycache__" not in path.parts)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each function's name and the lines of its body, docstring excluded."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            yield node.name, (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
