"""Installs a real Triton server from packages alone: no container, no GPU.

The wheel nvidia-pytriton brings the tritonserver binary and its Python backend. It needs numpy < 2 (with numpy 2 the
backend answers zeros and still calls itself ready), so it lives in a virtual environment of its own. Called by
`radir triton serve`, `make demo ARGS="--triton"` and the tests.
"""

import ctypes.util
import fcntl
import filecmp
import hashlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from radir_node.errors import EncoderUnavailable, UserError

REQUIREMENTS = (
    "nvidia-pytriton==0.7.0",
    "numpy==1.26.4",
    f"onnxruntime=={importlib.metadata.version('onnxruntime')}",  # the in-process one, so that the numbers agree
)
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_STUB = "triton_python_backend_stub"
_INSTALL_SECONDS = 900

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TritonEnvironment:
    """An installed server: where its binary and its backends are, and what it must find in its environment."""

    folder: Path

    @property
    def packages(self) -> Path:
        return self.folder / "venv" / "lib" / f"python{_PYTHON}" / "site-packages"

    @property
    def binary(self) -> Path:
        return self.packages / "pytriton" / "tritonserver" / "bin" / "tritonserver"

    @property
    def backends(self) -> Path:
        return self.folder / "backends"

    def variables(self) -> dict[str, str]:
        """Return the process environment of the server.

        The wheel's own libraries come first; then the folder of this interpreter's libpython, or else the backend
        would load another one of the same version. PATH decides which site-packages the backend sees.
        """
        libraries = f"{self.packages / 'nvidia_pytriton.libs'}:{sysconfig.get_config_var('LIBDIR')}"
        path = f"{self.folder / 'venv' / 'bin'}:{os.environ.get('PATH', os.defpath)}"
        return {**_without_python(), "LD_LIBRARY_PATH": libraries, "PATH": path}


def ensure_environment(folder: Path) -> TritonEnvironment:
    """Return the server under `folder`, installing it first where it is absent or was made for other versions.

    Safe to call from several processes at once. Raises UserError where this machine cannot run the wheel,
    EncoderUnavailable when the packages cannot be had.
    """
    _require_platform()
    environment = TritonEnvironment(folder.absolute())
    environment.folder.mkdir(parents=True, exist_ok=True)
    with _locked(environment.folder / "lock"):
        stamp = environment.folder / "installed"
        if not stamp.is_file() or stamp.read_text() != _fingerprint():
            stamp.unlink(missing_ok=True)
            _install(environment)
            stamp.write_text(_fingerprint())
        _place_backends(environment)
    return environment


def _require_platform() -> None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise UserError(f"the Triton wheel runs on Linux x86_64 only, not {sys.platform} {platform.machine()}")
    library = f"libpython{_PYTHON}.so.1.0"
    own = Path(str(sysconfig.get_config_var("LIBDIR"))) / library
    if not own.is_file() and ctypes.util.find_library(f"python{_PYTHON}") is None:
        raise UserError(f"Triton's Python backend needs {library}: apt-get install libpython{_PYTHON}")


def _fingerprint() -> str:
    made_of = (*REQUIREMENTS, sys.version, sys.base_prefix)
    return hashlib.sha256("\n".join(made_of).encode()).hexdigest()


def _install(environment: TritonEnvironment) -> None:
    log.info("triton.install", folder=str(environment.folder), requirements=REQUIREMENTS)
    venv = environment.folder / "venv"
    _call(sys.executable, "-m", "venv", "--clear", str(venv))
    # Wheels only: building numpy 1.26 from source on a Python it has no wheel for would take minutes and then fail.
    _call(str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--only-binary=:all:", *REQUIREMENTS)


def _without_python() -> dict[str, str]:
    """Return this process's environment less PYTHONPATH and its like: pip and the backend must not see our packages."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


def _call(*command: str) -> None:
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, env=_without_python(), timeout=_INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise EncoderUnavailable(f"installing Triton took longer than {_INSTALL_SECONDS} s") from error
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or getattr(error, "stdout", "") or str(error)).strip().splitlines()
        errors = [line for line in said if "error" in line.lower()] or said
        raise EncoderUnavailable(f"Triton cannot be installed: {errors[-1] if errors else command[0]}") from error


def _place_backends(environment: TritonEnvironment) -> None:
    """Lay out `backends/python` (from the wheel) and `backends/onnxruntime` (ours). Triton changes modes in there."""
    wheel = environment.packages / "pytriton" / "tritonserver"
    python = environment.backends / "python"
    stub = wheel / "python_backend_stubs" / _PYTHON / _STUB
    if not stub.is_file():
        raise UserError(f"the Triton wheel has no backend for Python {_PYTHON}")
    for source in (*(wheel / "backends" / "python").glob("*.[ps][yo]"), stub):
        _place(source, python / source.name)
    _place(Path(__file__).with_name("triton_backend.py"), environment.backends / "onnxruntime" / "model.py")


def _place(source: Path, target: Path) -> None:
    """Copy unless equal, by rename: a running server may hold the old file open."""
    if target.is_file() and filecmp.cmp(source, target, shallow=False):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(target.name + ".new")
    shutil.copy(source, fresh)
    fresh.replace(target)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
