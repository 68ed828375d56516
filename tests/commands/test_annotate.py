"""`radir annotate` as it is typed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from radir_node.cli import app
from radir_node.errors import UserError

TEXTS = ("Right pleural effusion.", "Moderate right pleural effusion.", "Left pneumothorax.", "No pleural effusion.")


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    file = tmp_path / "reports.jsonl"
    lines = (json.dumps({"id": str(number), "text": text}) for number, text in enumerate(TEXTS))
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def radir(*verb: str) -> str:
    done = CliRunner().invoke(app, ["annotate", *verb])
    if done.exception is not None:
        raise done.exception
    return done.output


def test_a_file_is_annotated_and_sampled(reports: Path, tmp_path: Path) -> None:
    """Tables, the second time none, and a page to judge."""
    out = tmp_path / "out"
    command = ("archive", "--in", str(reports), "--out", str(out), "--only", "right pleura", "--only", "pleura")

    first, second = radir(*command), radir(*command)
    page = radir("sample", "--in", str(out), "--split", "train", "--anatomy", "pleura", "--page", str(out / "p.html"))

    assert "4 reports, 2 tables written, 0 were there" in first
    assert "4 reports, 0 tables written, 2 were there" in second
    assert (4, 4) == np.load(out / "train_ratescore" / "pleura.npy").shape
    assert "pairs; the page holds report texts" in " ".join(page.split())
    assert "How alike are these reports: pleura" in (out / "p.html").read_text()


def test_each_verb_has_the_options_of_the_others(tmp_path: Path) -> None:
    """All three collections take split, share, nodes, number of reports and weights."""
    for verb in ("mimic-ir", "ctrate-ir", "archive"):
        shown = CliRunner().invoke(app, ["annotate", verb, "--help"], env={"COLUMNS": "200"}).output
        assert [] == [
            o for o in ("--in", "--out", "--split", "--shard", "--only", "--most", "--weights") if o not in shown
        ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shard", "9/8"), "--shard: '9/8' is not like 2/8"),
        (("--weights", "huge"), "--weights: 'huge' is none of long, short"),
        (("--nodes", "mri"), "--nodes: 'mri' is neither cxr nor ct"),
        (("--only", "knee"), "'knee' is no node"),
        (("--only", "head"), "nothing can be annotated at 'head'"),
    ],
)
def test_wrong_options_are_one_line(reports: Path, tmp_path: Path, options: tuple[str, str], message: str) -> None:
    """The option and what it may be."""
    with pytest.raises(UserError, match=message):
        radir("archive", "--in", str(reports), "--out", str(tmp_path / "out"), *options)


def test_nothing_of_a_report_is_printed(tmp_path: Path) -> None:
    """Neither in an error nor in the log: file and row are enough to find it."""
    file = tmp_path / "reports.jsonl"
    file.write_text('{"id": "1", "text": "CANARY has an effusion."}\n{"id": "1", "text": "CANARY again."}\n')
    command = [sys.executable, "-m", "radir_node", "annotate", "archive", "--in", str(file), "--out", str(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 2 == done.returncode
    assert "row 2: the id of an earlier row" in done.stderr
    assert 1 == len(done.stderr.splitlines())
    assert "CANARY" not in done.stdout + done.stderr


def test_help_loads_nothing_heavy() -> None:
    """The command line starts without scipy, pyarrow, torch and the templates."""
    program = "import sys, radir_node.cli; sys.exit(bool({'scipy', 'pyarrow', 'torch', 'jinja2'} & set(sys.modules)))"

    assert 0 == subprocess.run([sys.executable, "-c", program], check=False).returncode
