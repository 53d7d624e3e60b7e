"""What the core asks of models, probes, backends and renderers: the doors of the registry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from audit.config import RunConfig
from audit.kept_attention import HeadPlace
from audit.pairs import Pair, Span
from audit.planting import Place, Planting
from audit.records import AblationRecord, Array, DetailRecord, Record, SurveyRecord
from audit.results import Audit, Label, ModelInfo, SelfTestStep
from audit.results.comparison import Comparison
from audit.suite import Suite


@dataclass(frozen=True, slots=True)
class Encoding:
    """A tokenised text.

    Args:
        ids: token ids, special tokens included.
        tokens: the same as readable strings (spaces shown as spaces).
        offsets: character span of each token; ``(0, 0)`` for special tokens.
        types: of a text of two parts, which part each token is of, where the tokenizer tells; else empty.
    """

    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    offsets: tuple[Span, ...]
    types: tuple[int, ...] = ()


class Model(Protocol):
    """A loaded model, as the core sees it."""

    @property
    def head(self) -> str:
        """What it computes from its last hidden states, such as ``causal-lm``."""

    @property
    def max_length(self) -> int:
        """Tokens that fit into the context window."""

    def encode(self, text: str) -> Encoding:
        """Tokenise a text as it will be measured."""

    def chat(self, text: str) -> str:
        """The text as the user's turn of a chat, with the model's turn to follow; raises ModelError."""

    def describe(self, self_test: tuple[SelfTestStep, ...]) -> ModelInfo:
        """Name, shape, route and hashes of everything that was loaded."""


class Backend(Protocol):
    """Turns what the user named into a model (entry points ``evenhand.backends``)."""

    name: str

    def load(
        self, spec: str, *, dtype: str = "float32", device: str = "cpu", allow_pickle: bool = False
    ) -> Model:
        """Load a folder, a ``.gguf`` file, a hub id or ``demo``; raises ModelError."""

    def self_test(self, model: Any) -> tuple[SelfTestStep, ...]:
        """Prove on a model that this backend loaded that capture is exact."""


@dataclass(frozen=True, slots=True)
class HeadChoice:
    """Which heads the causal probe must measure.

    Args:
        pronoun, next: sets of ``(layer, head)`` for the two rows; None means all heads.
    """

    pronoun: frozenset[tuple[int, int]] | None = None
    next: frozenset[tuple[int, int]] | None = None


@runtime_checkable
class Probe(Protocol):
    """An instrument (entry points ``evenhand.probes``).

    ``stage`` 1 probes run first; stage 2 probes run when stage 1 is complete and are told which
    heads still matter. ``wants`` says whether a pair is for this probe at all.
    """

    name: str
    version: str
    stage: int

    def wants(self, pair: Pair, config: RunConfig) -> bool:
        """Whether this probe measures the pair."""

    def measure(
        self, model: Model, pairs: Sequence[Pair], config: RunConfig, heads: HeadChoice
    ) -> Iterator[Record]:
        """Measure a batch of pairs; raises MeasurementError."""


@runtime_checkable
class PreparedProbe(Protocol):
    """A probe that is shown all its pairs before it measures the first."""

    def prepare(self, model: Model, pairs: Sequence[Pair], config: RunConfig) -> None:
        """Plan ahead; what is measured later must depend on the plan, not on the order of asking."""


@runtime_checkable
class ModelProbe(Protocol):
    """An instrument that surveys a model once, not pair by pair (entry points ``evenhand.probes``)."""

    name: str
    version: str

    def survey(self, model: Model, suites: Sequence[Suite], config: RunConfig) -> Iterator[SurveyRecord]:
        """Survey the model; raises MeasurementError, or ModelError where a suite asks for what it has not."""


@runtime_checkable
class DetailProbe(Protocol):
    """A probe that can also keep one pair whole for the report."""

    def detail(self, model: Model, pair: Pair, heads: Sequence[HeadPlace] = ()) -> DetailRecord:
        """Measure one pair again and keep everything; of a few heads queries and keys, too."""


@runtime_checkable
class InterventionProbe(Protocol):
    """An instrument that edits sets of heads (entry points ``evenhand.probes``)."""

    name: str
    version: str

    def ablate(
        self, model: Model, pairs: Sequence[Pair], sets: Sequence[HeadChoice]
    ) -> Iterator[AblationRecord]:
        """Measure both arms with the rows of each set of heads at the arms' mean; raises MeasurementError."""

    def perplexity(self, model: Model, sets: Sequence[HeadChoice]) -> Array:
        """Perplexity of neutral text, ``[1 + sets]``: unedited, and with each set of heads cut off.

        Raises MeasurementError where a model gives a text no likelihood.
        """


class Report(Protocol):
    """A renderer (entry points ``evenhand.reports``): a finished run folder → files in it."""

    name: str

    def render(self, folder: Path, audit: Audit) -> list[Path]:
        """Write the format into the folder and return the files written."""


@runtime_checkable
class SignedReport(Protocol):
    """A renderer whose format can be signed; it comes after all others, and may speak of what they wrote."""

    def sign(self, folder: Path, audit: Audit, key: Path) -> list[Path]:
        """Write the format, signed with a private key, and return the files written; raises InputError."""


class ComparisonReport(Protocol):
    """A renderer of comparisons (entry points ``evenhand.comparisons``)."""

    name: str

    def render(self, folder: Path, comparison: Comparison) -> list[Path]:
        """Write the format into the folder and return the files written."""


class RunFigure(Protocol):
    """A figure of a finished run (entry points ``evenhand.figures``)."""

    name: str

    def draw(self, audit: Audit) -> Any:
        """Draw it with plotly; raises InputError where the run has nothing to draw."""


@dataclass(frozen=True, slots=True)
class PlantedModel:
    """A model and the truth about it.

    Args:
        model: ready to be measured.
        truth: (layer, head) → the label that an audit must give it; all other heads have no part.
    """

    model: Model
    truth: Mapping[Place, Label]


class Planter(Protocol):
    """Builds models with planted heads (entry points ``evenhand.planters``)."""

    name: str

    def plant(self, pairs: Sequence[Pair], planting: Planting) -> PlantedModel:
        """Build a model that knows the words of the pairs; raises InputError."""

    def save(self, folder: Path, pairs: Sequence[Pair], planting: Planting) -> Mapping[Place, Label]:
        """Save the same model as a folder that ``--model`` takes; return the truth about it."""
