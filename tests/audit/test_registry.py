"""Parts come in through entry points of installed packages, and are checked when loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.errors import InputError
from audit.registry import BACKENDS, PROBES, REPORTS, Door

Install = Callable[..., None]

PROBE = """
class Toy:
    name = "toy"
    version = "1"
    stage = 1

    def wants(self, pair, config):
        return True

    def measure(self, model, pairs, config, heads):
        return iter(())
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a package with one entry point on the import path, as an installation would."""

    def write(source: str, package: str = "toy-package", target: str = "Toy", name: str = "toy") -> None:
        module = package.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(source, encoding="utf-8")
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8"
        )
        points = f"[evenhand.probes]\n{name} = {module}:{target}\n"
        (info / "entry_points.txt").write_text(points, encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, module, raising=False)

    return write


def told(door: Door[object], name: str, where: str = "") -> str:
    with pytest.raises(InputError) as caught:
        door.get(name, where)
    return str(caught.value)


@pytest.mark.parametrize(
    ("door", "name"),
    [(PROBES, name) for name in ("attention", "likelihood", "generation", "causal", "patterns", "embedding")]
    + [(REPORTS, name) for name in ("html", "pdf", "in-toto", "cyclonedx", "model-card", "compliance")]
    + [(BACKENDS, "transformers")],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_the_built_in_parts_come_through_the_same_door(door: Door[object], name: str) -> None:
    assert name in door.names()
    assert getattr(door.get(name), "name", None) == name


def test_a_package_of_somebody_else_adds_a_probe(install: Install) -> None:
    install(PROBE)
    assert "toy" in PROBES.names()
    assert type(PROBES.get("toy")).__name__ == "Toy"


def test_an_unknown_name_is_told_with_the_known_ones_and_the_nearest() -> None:
    assert told(PROBES, "atention", "probes[2]") == (
        "probes[2]: unknown probe 'atention'; expected ablation, attention, causal, classification, embedding, "
        "generation, likelihood, masked, patterns, question-answering or translation; did you mean 'attention'?"
    )
    *most, last = REPORTS.names()
    assert told(REPORTS, "zzz") == f"unknown report 'zzz'; expected {', '.join(most)} or {last}"
    assert told(Door("tracker", "evenhand.none", "Probe"), "x") == (
        "unknown tracker 'x'; expected one that is installed (none is)"
    )


def test_a_name_that_two_packages_provide_is_refused(install: Install) -> None:
    install(PROBE)
    install(PROBE, package="other-package")
    assert told(PROBES, "toy") == (
        "probe 'toy' is provided by other-package and toy-package; expected one package; uninstall the others"
    )


@pytest.mark.parametrize(
    ("source", "target", "fault"),
    [
        ("import absent_module", "Toy", "ModuleNotFoundError: No module named 'absent_module'"),
        ("", "Toy", "AttributeError: module 'toy_package' has no attribute 'Toy'"),
        ("def Toy():\n    raise RuntimeError('no licence')", "Toy", "RuntimeError: no licence"),
    ],
)
def test_a_part_that_does_not_load_is_told_in_one_line(
    install: Install, source: str, target: str, fault: str
) -> None:
    install(source, target=target)
    assert told(PROBES, "toy", "probes[0]") == (
        f"probes[0]: probe 'toy' of toy-package (toy_package:Toy) cannot be loaded ({fault})"
    )


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('    version = "1"\n', "", "it has no version"),
        ("stage = 1", 'stage = "first"', "stage is 'first', not int"),
        ('name = "toy"', 'name = "doll"', "its name is 'doll', not that of the entry point"),
        ("def wants", "def likes", "it has no method wants"),
        (
            "pairs, config, heads",
            "pairs",
            "measure(model, pairs) cannot be called as measure(model, pairs, config, heads): "
            "too many positional arguments",
        ),
    ],
)
def test_a_part_that_breaks_the_protocol_is_refused(install: Install, old: str, new: str, fault: str) -> None:
    assert old in PROBE
    install(PROBE.replace(old, new))
    assert told(PROBES, "toy") == f"probe 'toy' of toy-package (toy_package:Toy) is not a probe: {fault}"


def test_every_fault_of_a_part_is_told(install: Install) -> None:
    install("class Toy:\n    name = 'toy'")
    assert told(PROBES, "toy").endswith(
        "is not a probe: it has no version; it has no stage; it has no method wants; it has no method measure"
    )


def test_keyword_arguments_of_a_protocol_are_asked_for(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        "class Toy:\n    name = 'toy'\n    def load(self, spec): ...\n    def self_test(self, model): ..."
    )
    points = tmp_path / "toy_package-1.0.dist-info" / "entry_points.txt"
    points.write_text("[evenhand.backends]\ntoy = toy_package:Toy\n", encoding="utf-8")
    assert told(BACKENDS, "toy").endswith(
        "load(spec) cannot be called as load(spec, dtype=…, device=…, allow_pickle=…): "
        "got an unexpected keyword argument 'dtype'"
    )
