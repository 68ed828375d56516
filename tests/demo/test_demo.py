"""The demo as `make demo` runs it, on a folder of studies."""

import os
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from PIL import Image


@pytest.mark.requirement("RN-15")
@pytest.mark.timeout(600)
def test_demo_runs_the_main_job_and_ends_by_itself(phantoms: Path, tmp_path: Path) -> None:
    """From an empty folder to ranked cases with sentences, a Structured Report and a picture, then exit code 0."""
    command = [sys.executable, "-m", "radir_node", "demo", "--once", "--studies", str(phantoms), "--out", "out"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RADIR_")}

    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    studies = len(list(phantoms.iterdir()))
    assert f"{studies} indexed" in done.stdout
    assert "overall" in done.stdout
    report = pydicom.dcmread(tmp_path / "out" / "similar-cases.dcm")
    assert ("SR", "RadIR similar cases") == (report.Modality, report.SeriesDescription)
    with Image.open(tmp_path / "out" / "similar-cases.png") as picture:
        assert picture.width > 500
        assert len(picture.convert("L").getcolors()) > 50


@pytest.mark.requirement("RN-15")
def test_a_folder_without_dicom_is_one_clear_line(tmp_path: Path) -> None:
    """`--studies` with a folder that is not there ends at once."""
    command = [sys.executable, "-m", "radir_node", "demo", "--once", "--studies", "nowhere"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert (2, ["radir: --studies: nowhere is not a folder"]) == (done.returncode, done.stderr.splitlines())
