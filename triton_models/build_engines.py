#!/usr/bin/env python3
"""Build TensorRT engines from the ONNX networks of a model repository, on the graphics card that will run them.

    build_engines.py build  --repository triton_models --engines engines [--precision fp16] [MODEL ...]
    build_engines.py verify --engines engines

`build` makes a second model repository: each model's config.pbtxt with the platform changed to tensorrt_plan, the
engine as 1/model.plan, and 1/model.plan.json, which records the card, its compute capability, the TensorRT version and
the SHA-256 of network and engine. `verify` refuses engines of another card, or changed ones: run it before
tritonserver starts. Needs Python's standard library, trtexec and nvidia-smi, all in NVIDIA's TensorRT containers.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

TRTEXEC = ("trtexec", "/usr/src/tensorrt/bin/trtexec")
NETWORK, ENGINE, RECORD = "1/model.onnx", "1/model.plan", "1/model.plan.json"
PRECISIONS = {"fp32": ["--noTF32"], "fp16": ["--fp16"], "bf16": ["--bf16"]}


class Refused(Exception):
    """Said to the operator as one line; exit status 1."""


@dataclass(frozen=True)
class Card:
    """The first graphics card of this machine."""

    name: str
    compute_capability: str


@dataclass(frozen=True)
class Record:
    """What an engine was made of and for; it is worth nothing on another card or TensorRT version."""

    card: str
    compute_capability: str
    tensorrt: str
    precision: str
    largest_batch: int
    network_sha256: str
    engine_sha256: str


def installed_card() -> Card:
    """Ask nvidia-smi. Raises Refused where there is no card."""
    query = ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader", "--id=0"]
    try:
        answer = subprocess.run(query, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise Refused("no NVIDIA graphics card here: engines are built and run on the card itself") from None
    name, capability = answer.strip().rsplit(",", 1)
    return Card(name.strip(), capability.strip())


def input_dims(config: str) -> dict[str, list[int]]:
    """Return the dims, without the batch, of every input that a config.pbtxt names."""
    block = re.search(r"^input \[(.*?)^\]", config, re.MULTILINE | re.DOTALL)
    tensors = re.findall(r'name: "(\w+)".*?dims: \[([^]]*)\]', block.group(1), re.DOTALL) if block else []
    return {name: [int(size) for size in dims.split(",")] for name, dims in tensors}


def largest_batch(config: str) -> int:
    """Return max_batch_size of a config.pbtxt."""
    stated = re.search(r"^max_batch_size: (\d+)", config, re.MULTILINE)
    return max(1, int(stated.group(1))) if stated else 1


def engine_config(config: str) -> str:
    """Return the same configuration for a TensorRT engine; names, dims and batching stay as they are."""
    config = re.sub(r'^backend: "onnxruntime"$', 'platform: "tensorrt_plan"', config, flags=re.MULTILINE)
    config = re.sub(r"^default_model_filename: .*$", 'default_model_filename: "model.plan"', config, flags=re.MULTILINE)
    config = re.sub(r"^parameters .*\n", "", config, flags=re.MULTILINE)  # thread counts of ONNX Runtime
    return config.replace("KIND_CPU", "KIND_GPU")


def builder_command(trtexec: str, model: Path, engine: Path, precision: str, timing_cache: Path) -> list[str]:
    """Return the trtexec call: one profile from batch 1 to the configuration's largest, best at the largest."""
    config = (model / "config.pbtxt").read_text(encoding="utf-8")
    batch = largest_batch(config)

    def shapes(rows: int) -> str:
        return ",".join(f"{name}:{'x'.join(map(str, [rows, *dims]))}" for name, dims in input_dims(config).items())

    return [
        trtexec,
        f"--onnx={model / NETWORK}",
        f"--saveEngine={engine}",
        f"--minShapes={shapes(1)}",
        f"--optShapes={shapes(batch)}",
        f"--maxShapes={shapes(batch)}",
        f"--timingCacheFile={timing_cache}",
        "--skipInference",
        *PRECISIONS[precision],
    ]


def build(model: Path, engines: Path, precision: str, trtexec: str, card: Card) -> Record:
    """Build one model's engine under `engines`. Raises Refused with the builder's last line when it fails."""
    target = engines / model.name
    (target / "1").mkdir(parents=True, exist_ok=True)
    command = builder_command(trtexec, model, target / ENGINE, precision, engines / "timing.cache")
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    said = f"{done.stdout}\n{done.stderr}".strip()
    if done.returncode != 0 or not (target / ENGINE).is_file():
        raise Refused(f"{model.name}: trtexec failed: {said.splitlines()[-1] if said else 'it said nothing'}")
    version = re.search(r"TensorRT v(\d+)", said)
    config = (model / "config.pbtxt").read_text(encoding="utf-8")
    record = Record(
        card=card.name,
        compute_capability=card.compute_capability,
        tensorrt=version.group(1) if version else "unknown",
        precision=precision,
        largest_batch=largest_batch(config),
        network_sha256=sha256(model / NETWORK),
        engine_sha256=sha256(target / ENGINE),
    )
    (target / "config.pbtxt").write_text(engine_config(config), encoding="utf-8")
    (target / RECORD).write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    return record


def verify(model: Path, card: Card) -> Record:
    """Raise Refused unless the engine under `model` was built for this card and is unchanged since."""
    try:
        record = Record(**json.loads((model / RECORD).read_text(encoding="utf-8")))
        digest = sha256(model / ENGINE)
    except OSError as error:
        raise Refused(f"{model.name}: {error.filename} cannot be read: {error.strerror}") from None
    except (TypeError, ValueError):
        raise Refused(f"{model.name}: {model / RECORD} is no record of an engine") from None
    if (record.card, record.compute_capability) != (card.name, card.compute_capability):
        raise Refused(
            f"{model.name}: built for {record.card} (compute capability {record.compute_capability}), "
            f"this is {card.name} ({card.compute_capability}): build it again here"
        )
    if digest != record.engine_sha256:
        raise Refused(f"{model.name}: the engine changed after it was built")
    return record


def sha256(path: Path) -> str:
    """Return the hexadecimal digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def find_trtexec() -> str:
    """Return the path of trtexec. Raises Refused where TensorRT is not installed."""
    for name in TRTEXEC:
        found = shutil.which(name)
        if found:
            return found
    raise Refused("trtexec is not installed: run this inside NVIDIA's Triton or TensorRT container")


def selected(repository: Path, names: list[str], holds: str) -> list[Path]:
    """Return the named model folders, or all that hold the file `holds`. Raises Refused when there is none."""
    models = [repository / name for name in names] or sorted(path.parents[1] for path in repository.glob(f"*/{holds}"))
    absent = [model.name for model in models if not (model / holds).is_file()]
    if absent or not models:
        raise Refused(f"no {holds} in {repository}: {', '.join(absent) or 'no model at all'}")
    return models


def arguments() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(description="TensorRT engines of a model repository")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("build", "verify"):
        each = verbs.add_parser(verb)
        each.add_argument("models", nargs="*", metavar="MODEL")
        each.add_argument("--engines", type=Path, required=True, help="the repository of engines")
        if verb == "build":
            each.add_argument("--repository", type=Path, default=Path(__file__).parent)
            each.add_argument("--precision", choices=sorted(PRECISIONS), default="fp16")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    chosen = arguments().parse_args(argv)
    try:
        if chosen.verb == "build":
            models = selected(chosen.repository, chosen.models, NETWORK)
            trtexec, card = find_trtexec(), installed_card()
            done = {model.name: build(model, chosen.engines, chosen.precision, trtexec, card) for model in models}
        else:
            models = selected(chosen.engines, chosen.models, RECORD)
            card = installed_card()
            done = {model.name: verify(model, card) for model in models}
    except Refused as refusal:
        print(f"build_engines: {refusal}", file=sys.stderr)  # noqa: T201 - a command's answer
        return 1
    print(json.dumps({name: asdict(record) for name, record in done.items()}, indent=2))  # noqa: T201 - as above
    return 0


if __name__ == "__main__":
    sys.exit(main())
