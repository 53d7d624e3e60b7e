"""The comparisons, one module each, which loads what it needs when it runs."""

from __future__ import annotations

from importlib import import_module

PARTS = ("crows", "winogender", "rows", "nie", "flops", "scaling", "workers", "statistics", "report")


def run_part(name: str) -> None:
    """Run a comparison and write its figures."""
    getattr(import_module(f"tests.benchmarks.{name}"), f"run_{name}")()
