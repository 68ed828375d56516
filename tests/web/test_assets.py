"""The files served with the pages: all local, all accounted for."""

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from radir_node.web import pages

WEB = Path(pages.__file__).parent
TEXTS = sorted(
    path
    for folder in ("templates", "static")
    for path in (WEB / folder).rglob("*")
    if path.suffix in {".html", ".css", ".js", ".svg"}
)
VENDOR = WEB / "static" / "vendor"
NAMESPACE = "http://www.w3.org/2000/svg"  # a name, never fetched


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_no_file_names_another_server(path: Path) -> None:
    """Pages work in a closed network, and tell nobody that they were opened."""
    text = path.read_text("utf-8").replace(NAMESPACE, "")

    assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text) == []


@pytest.mark.parametrize("path", [path for path in TEXTS if path.suffix == ".html"], ids=lambda path: path.name)
def test_no_template_has_inline_code(path: Path) -> None:
    """The content security policy would block it."""
    text = path.read_text("utf-8")

    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|\|\s*safe\b", text) == []


def test_every_vendored_file_is_locked() -> None:
    """Name, version, licence and SHA-256 of each third-party file are on record and true."""
    assets = tomllib.loads((VENDOR / "vendor.lock").read_text("utf-8"))["asset"]
    licences = {asset["licence_file"] for asset in assets}

    assert {asset["file"] for asset in assets} | licences | {"vendor.lock"} == {path.name for path in VENDOR.iterdir()}
    for asset in assets:
        assert hashlib.sha256((VENDOR / asset["file"]).read_bytes()).hexdigest() == asset["sha256"]
        assert asset["name"] and asset["version"] and asset["licence"]
