"""The command line: ``evenhand COMMAND``."""

from __future__ import annotations

from audit.cli.app import app, main

__all__ = ["app", "main"]
