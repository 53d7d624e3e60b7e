"""A finished run in a notebook: the audit, the tables of its folder, and its figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import PrivateAttr

from .audit import Audit
from .card import card

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

#: Draws a figure of a run folder by its name.
Draw = Callable[[Path, str], Any]


class LoadedAudit(Audit):
    """An audit that knows its folder; equal to the same audit that does not.

    ``heads`` are the findings of ``audit.json``; ``pairs``, ``outputs`` and ``head_values`` the tables of the folder,
    read when they are first asked for.
    """

    _folder: Path = PrivateAttr()
    _draw: Draw = PrivateAttr()

    @classmethod
    def of(cls, content: bytes, folder: Path, draw: Draw) -> LoadedAudit:
        """Read an audit.

        Args:
            content: of ``audit.json``.
            folder: where it lies.
            draw: makes a figure.
        Raises:
            ValueError: it is no audit.
        """
        audit = cls.model_validate_json(content)
        audit._folder, audit._draw = folder, draw
        return audit

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self._folder

    @property
    def pairs(self) -> pd.DataFrame:
        """``pairs.parquet``: one row per pair; raises FileNotFoundError where the folder lacks it."""
        return self._table("pairs")

    @property
    def outputs(self) -> pd.DataFrame:
        """``outputs.parquet``: one row per pair × arm × measure; raises FileNotFoundError."""
        return self._table("outputs")

    @property
    def head_values(self) -> pd.DataFrame:
        """``heads.parquet``: one row per pair × stream × layer × head; raises FileNotFoundError.

        It is the largest table, millions of rows for a large model.
        """
        return self._table("heads")

    def figure(self, name: str) -> go.Figure:
        """Draw a figure with plotly.

        Args:
            name: such as ``head-map``; an unknown name is answered with all that there are.
        Returns:
            The figure.
        """
        return self._draw(self._folder, name)

    def _table(self, name: str) -> pd.DataFrame:
        import pandas as pd

        file = self._folder / f"{name}.parquet"
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such table; run the audit again")
        return pd.read_parquet(file)

    def _repr_html_(self) -> str:
        return card(self)

    def __eq__(self, other: object) -> bool:
        fields = Audit.model_fields
        return isinstance(other, Audit) and all(getattr(self, n) == getattr(other, n) for n in fields)
