"""The engine builder up to the call of trtexec, and its refusals.

TensorRT's builder is on no package registry: `trtexec` and `nvidia-smi` are stood in for by scripts that record their
call. No engine is made here, and nothing is claimed of one.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

SCRIPT = Path("triton_models") / "build_engines.py"
CONFIG = """name: "net"
backend: "onnxruntime"
default_model_filename: "model.onnx"
max_batch_size: 16
input [
  { name: "image" data_type: TYPE_FP32 dims: [ 1, 128, 128 ] },
  { name: "age" data_type: TYPE_FP32 dims: [ 1 ] }
]
output [
  { name: "global" data_type: TYPE_FP32 dims: [ 512 ] }
]
instance_group [ { kind: KIND_CPU count: 1 } ]
dynamic_batching { max_queue_delay_microseconds: 500 }
parameters { key: "intra_op_thread_count" value: { string_value: "1" } }
"""
TRTEXEC = """#!/bin/sh
echo "&&&& RUNNING TensorRT.trtexec [TensorRT v100300]"
printf '%s\\n' "$@" > "$(dirname "$0")/called"
for each in "$@"; do case "$each" in --saveEngine=*) echo engine > "${each#--saveEngine=}";; esac; done
"""
FAILING = """#!/bin/sh
echo "&&&& FAILED: no memory left"
exit 1
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """The only folder on PATH."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("sh", "dirname"):
        (folder / name).symlink_to(f"/bin/{name}")
    return folder


@pytest.fixture
def install(tools: Path) -> Callable[[str, str], None]:
    def put(name: str, script: str) -> None:
        (tools / name).write_text(script)
        (tools / name).chmod(0o755)

    return put


@pytest.fixture
def card(install) -> Callable[[str], None]:
    """card("NVIDIA L4, 8.9"): what nvidia-smi answers."""
    return lambda answer: install("nvidia-smi", f"#!/bin/sh\necho '{answer}'\n")


@pytest.fixture
def run(tools: Path, tmp_path: Path, repository: Path) -> Run:
    """Run the script on a repository with one model; paths are relative to tmp_path."""
    model = tmp_path / "models" / "net"
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text(CONFIG)
    (model / "1" / "model.onnx").write_bytes(b"network")

    def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, str(repository / SCRIPT), *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env={"PATH": str(tools)}, capture_output=True, text=True, check=False
        )

    return call


@pytest.fixture
def built(run: Run, install, card) -> Run:
    """An engine "built" for an L4."""
    install("trtexec", TRTEXEC)
    card("NVIDIA L4, 8.9")
    done = run("build", "--repository", "models", "--engines", "engines", "--precision", "fp16")
    assert done.returncode == 0, done.stderr
    return run


def test_script_needs_only_the_standard_library(repository: Path) -> None:
    """The script imports nothing of ours and nothing to install: it is copied to the Triton host as it is."""
    tree = ast.parse((repository / SCRIPT).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert imported <= sys.stdlib_module_names


def test_builder_is_called_with_the_batch_profile(built: Run, tools: Path) -> None:
    """trtexec gets every input's dims with batch 1 to max_batch_size, the precision and a timing cache."""
    called = (tools / "called").read_text().splitlines()

    assert "--onnx=models/net/1/model.onnx" in called
    assert "--saveEngine=engines/net/1/model.plan" in called
    assert "--minShapes=image:1x1x128x128,age:1x1" in called
    assert "--maxShapes=image:16x1x128x128,age:16x1" in called
    assert "--fp16" in called
    assert "--timingCacheFile=engines/timing.cache" in called


def test_engine_repository_has_the_same_tensors(built: Run, tmp_path: Path) -> None:
    """The engine's configuration differs in platform, file and device alone, and Triton's schema accepts it."""
    before = text_format.Parse(CONFIG, model_config_pb2.ModelConfig())
    after = text_format.Parse((tmp_path / "engines/net/config.pbtxt").read_text(), model_config_pb2.ModelConfig())

    assert (after.platform, after.backend, after.default_model_filename) == ("tensorrt_plan", "", "model.plan")
    assert [group.kind for group in after.instance_group] == [model_config_pb2.ModelInstanceGroup.KIND_GPU]
    assert (before.name, before.max_batch_size) == (after.name, after.max_batch_size)
    assert list(before.input) == list(after.input)
    assert list(before.output) == list(after.output)
    assert before.dynamic_batching == after.dynamic_batching


def test_record_says_what_the_engine_is_for(built: Run, tmp_path: Path) -> None:
    """Card, compute capability, TensorRT version and precision lie beside the engine."""
    record = json.loads((tmp_path / "engines/net/1/model.plan.json").read_text())

    assert record["card"] == "NVIDIA L4"
    assert record["compute_capability"] == "8.9"
    assert record["tensorrt"] == "100300"
    assert (record["precision"], record["largest_batch"]) == ("fp16", 16)


def test_engine_of_this_card_is_accepted(built: Run) -> None:
    """On the card that it was built for, verify prints the record and succeeds."""
    done = built("verify", "--engines", "engines")

    assert done.returncode == 0
    assert json.loads(done.stdout)["net"]["card"] == "NVIDIA L4"


def test_engine_of_another_card_is_refused(built: Run, card) -> None:
    """On another card verify fails with both cards' names on one line."""
    card("NVIDIA H200, 9.0")

    done = built("verify", "--engines", "engines")

    assert done.returncode == 1
    assert "built for NVIDIA L4 (compute capability 8.9), this is NVIDIA H200 (9.0)" in done.stderr
    assert done.stderr.count("\n") == 1


def test_changed_engine_is_refused(built: Run, tmp_path: Path) -> None:
    """An engine whose bytes are not the built ones fails."""
    (tmp_path / "engines/net/1/model.plan").write_text("other")

    done = built("verify", "--engines", "engines")

    assert done.returncode == 1
    assert "changed after it was built" in done.stderr


def test_failed_build_says_why(run: Run, install, card, tmp_path: Path) -> None:
    """A failing builder ends with its last line, and leaves no record that verify could take."""
    install("trtexec", FAILING)
    card("NVIDIA L4, 8.9")

    done = run("build", "--repository", "models", "--engines", "engines")

    assert done.returncode == 1
    assert "net: trtexec failed: &&&& FAILED: no memory left" in done.stderr
    assert not (tmp_path / "engines/net/1/model.plan.json").exists()


@pytest.mark.parametrize("verb", ["build", "verify"])
def test_no_models_is_one_line(run: Run, verb: str) -> None:
    """An empty repository is said in one line."""
    done = run(verb, *(["--repository", "nothing"] if verb == "build" else []), "--engines", "nothing")

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def test_no_card_is_one_line(run: Run, install) -> None:
    """Without a graphics card nothing is built."""
    install("trtexec", TRTEXEC)

    done = run("build", "--repository", "models", "--engines", "engines")

    assert done.returncode == 1
    assert "no NVIDIA graphics card here" in done.stderr
