"""What the wheel holds, what an editable install does not copy, and that every version is pinned."""

from __future__ import annotations

import configparser
import re
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.wheel import ROOT, build_wheel

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FOLDERS = ("audit", "probes", "reports", "suites", "configs")


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Name → text of every file in the wheel (empty for what is not text)."""
    wheel = build_wheel(tmp_path_factory.mktemp("dist"))
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name).decode(errors="ignore") for name in archive.namelist()}


def product_files(folder: str) -> set[str]:
    files = (
        path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    return {str(path.relative_to(ROOT)) for path in files}


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(each.name): str(each.specifier) for each in requirements}


def test_only_the_public_module_and_one_private_folder_lie_at_the_top(members: dict[str, str]) -> None:
    version = PROJECT.get("version") or distribution("evenhand").version
    assert {name.split("/")[0] for name in members} == {
        "evenhand.py",
        "_evenhand",
        f"evenhand-{version}.dist-info",
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_of_a_folder_is_in_the_wheel(members: dict[str, str], folder: str) -> None:
    inside = {name.removeprefix("_evenhand/") for name in members if name.startswith(f"_evenhand/{folder}/")}
    assert inside == product_files(folder)
    assert inside


def test_templates_suites_and_presets_are_there(members: dict[str, str]) -> None:
    assert "_evenhand/suites/quickstart.yaml" in members
    assert "_evenhand/configs/quick.yaml" in members
    assert any(name.startswith("_evenhand/reports/templates/") for name in members)
    assert {f"_evenhand/{package}/py.typed" for package in ("audit", "probes", "reports")} <= set(members)


def test_every_entry_point_names_a_module_of_the_wheel(members: dict[str, str]) -> None:
    (listing,) = (name for name in members if name.endswith(".dist-info/entry_points.txt"))
    parser = configparser.ConfigParser()
    parser.read_string(members[listing])
    assert set(parser) >= {
        "console_scripts",
        "evenhand.probes",
        "evenhand.reports",
        "evenhand.backends",
        "pytest11",
    }
    for group in parser.sections():
        for target in parser[group].values():
            file = target.split(":")[0].replace(".", "/") + ".py"
            assert file in members or f"_evenhand/{file}" in members, f"{group}: {target}"


def test_an_editable_install_copies_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hatchling.build import build_editable

    monkeypatch.chdir(ROOT)
    with zipfile.ZipFile(tmp_path / build_editable(str(tmp_path))) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        assert names == ["_evenhand.pth"]
        assert archive.read("_evenhand.pth").decode().strip() == str(ROOT)


def named_requirements() -> Iterator[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    for line in [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]:
        yield Requirement(line)


@pytest.mark.parametrize("requirement", list(named_requirements()), ids=lambda requirement: requirement.name)
def test_every_dependency_is_pinned_to_one_version_that_satisfies_it(requirement: Requirement) -> None:
    pin = pins()[canonicalize_name(requirement.name)]
    assert re.fullmatch(r"==[0-9][0-9a-z.]*", pin)
    assert requirement.specifier.contains(pin.removeprefix("=="))


def test_the_two_versions_that_matter_most_are_pinned_as_known_to_work() -> None:
    assert pins()["torch"] == "==2.13.0"
    assert pins()["pyarrow"] == "==25.0.1"


def test_what_the_dependencies_need_is_pinned_too() -> None:
    pinned, waiting, seen = pins(), [Requirement("evenhand[test,dev]")], set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, *sorted(requirement.extras)) in seen:
            continue
        seen.add((name, *sorted(requirement.extras)))
        assert name in {*pinned, "evenhand", "setuptools"}, f"{name} is not in constraints.txt"
        waiting += needs(requirement)
    assert len(seen) > 40


def needs(requirement: Requirement) -> list[Requirement]:
    """What an installed distribution needs on this platform; nothing where it is not installed."""
    try:
        lines = distribution(requirement.name).requires or []
    except PackageNotFoundError:
        return []
    wanted = [Requirement(line) for line in lines]
    extras = ("", *requirement.extras)
    return [
        each
        for each in wanted
        if each.marker is None or any(each.marker.evaluate({"extra": e}) for e in extras)
    ]


def test_every_dependency_has_its_reason_beside_it() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for requirement in named_requirements():
        assert re.search(rf'^    "{re.escape(requirement.name)}[^"]*",\s+# \S.+$', text, re.MULTILINE), (
            requirement
        )
