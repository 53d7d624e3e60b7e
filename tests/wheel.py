"""Builds the wheel, and makes environments to try it in."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without anything that leads Python or pip to this checkout."""
    leading = ("PYTHON", "PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT", "VIRTUAL_ENV", "COV_")
    return {key: value for key, value in os.environ.items() if not key.startswith(leading)} | more


def run(
    *command: str | Path, cwd: Path, env: Mapping[str, str] | None = None, accept: tuple[int, ...] = (0,)
) -> subprocess.CompletedProcess[str]:
    """Run a command; the test fails with all that it said if its exit code is not one of ``accept``."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean_environment() if env is None else env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in accept:
        said = f"{done.stdout}\n{done.stderr}"
        raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{said}")
    return done


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout into a folder, without a network."""
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (wheel,) = folder.glob("evenhand-*.whl")
    return wheel


def empty_environment(folder: Path) -> Path:
    """Make an empty virtual environment without pip; returns its folder of programs."""
    builder = venv.EnvBuilder(with_pip=False, symlinks=True)
    builder.create(folder)
    return Path(builder.ensure_directories(folder).bin_path)
