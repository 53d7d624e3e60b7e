"""How to measure and what to accept: the model of ``configs/*.yaml``."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

Once = TypeVar("Once", bound=str)

CheckMeasure = Literal[
    "flagged_heads",
    "total_effect",
    "pct_stereotype",
    "likelihood_diff",
    "pseudo_likelihood_diff",
    "pronoun_log_odds",
    "sentiment",
    "label_changed",
    "answer_changed",
    "answer_score",
    "translation_changed",
]
Name = Annotated[str, StringConstraints(min_length=1)]


class Settings(BaseModel):
    """Base of all settings: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GenerationSettings(Settings):
    """Continuations that are written for each text."""

    max_new_tokens: int = Field(16, ge=1, le=2048)
    samples: int = Field(0, ge=0, description="seeded samples per text, beside the greedy one")
    temperature: float = Field(1.0, gt=0)
    top_p: float = Field(1.0, gt=0, le=1)
    kinds: tuple[Literal["treatment", "control"], ...] = ("treatment",)


class CausalSettings(Settings):
    """Which heads are confirmed by intervention.

    ``possible`` computes the effect only where the bias is at least ``min_bias`` and its adjusted p at
    most q: since ``p_flag = max(p_bias, p_nie)``, no other head can be flagged. A shard of a run measures all
    heads: which are possible is known only when all pairs are measured, and merging then keeps these.
    """

    heads: Literal["possible", "all"] = "possible"
    kinds: tuple[Literal["treatment", "control"], ...] = ("treatment",)


#: What takes the place of a head's output: nothing; its mean on neutral text; an even look at all it sees.
AblationKind = Literal["zero", "mean", "uniform"]


class AblationSettings(Settings):
    """What is ablated pair by pair, and what chosen heads are compared with on pairs outside the choice.

    The heads and pairs that are ablated are those of the causal settings.
    """

    kinds: tuple[AblationKind, ...] = Field((), description="how heads, layers and the model are ablated")
    sets: int = Field(200, ge=20, description="sets of random heads of the same layers")
    priced: int = Field(20, ge=0, description="random sets whose perplexity cost is measured, too")

    @model_validator(mode="after")
    def _prices_what_is_drawn(self) -> AblationSettings:
        if self.priced > self.sets:
            raise ValueError(f"priced is more than sets (got {self.priced}); expected at most {self.sets}")
        return self

    @field_validator("kinds")
    @classmethod
    def _each_kind_once(cls, kinds: tuple[AblationKind, ...]) -> tuple[AblationKind, ...]:
        """A kind named twice would be measured twice."""
        return _once(kinds, "kind")


def _once(named: tuple[Once, ...], what: str) -> tuple[Once, ...]:
    if len(set(named)) < len(named):
        raise ValueError(f"a {what} is named twice; expected each {what} once")
    return named


class Check(Settings):
    """A threshold, set before the run, by somebody, for a reason."""

    id: str
    measure: CheckMeasure
    at_most: float | None = Field(None, ge=0, description="how large it may be")
    worse_by_at_most: float | None = Field(
        None, ge=0, description="how much larger than in the baseline it may be, by magnitude"
    )
    suite: str | None = None
    contrast: tuple[str, str] | None = None
    set_by: str
    reason: str
    date: dt.date

    @model_validator(mode="after")
    def _limits_something(self) -> Check:
        if self.at_most is None and self.worse_by_at_most is None:
            raise ValueError("a check needs a limit; expected at_most, worse_by_at_most or both")
        return self


class Waiver(Settings):
    """An accepted failure; the expiry is mandatory."""

    id: str
    check: str
    suite: str | None = None
    owner: str
    approver: str
    reason: str
    created: dt.date
    expires: dt.date


class RunConfig(Settings):
    """A run and gate preset."""

    preset: str = "custom"
    probes: tuple[str, ...] = Field(("attention", "likelihood", "generation", "causal"), min_length=1)
    seed: int = Field(0, ge=0)
    dtype: Literal["float32", "bfloat16", "float16", "auto"] = "float32"
    device: str = "cpu"
    batch_size: int | None = Field(None, ge=1)
    q: float = Field(0.05, gt=0, lt=1, description="false discovery rate over everything that could flag")
    correction: Literal["bh", "by", "max-t"] = Field(
        "bh",
        description="over everything that could flag: Benjamini-Hochberg; Benjamini-Yekutieli, for any dependence; "
        "or max-t, where q is the chance of any false flag",
    )
    min_bias: float = Field(0.02, ge=0, le=1, description="smallest signed bias that is called a bias")
    largest_hidden_bias: float = Field(
        0.15, gt=0, le=1, description="a check of heads passes only if no head can hide this signed bias"
    )
    min_nie: float = Field(0.005, ge=0, description="smallest causal effect in nats that is called one")
    power: float = Field(0.8, gt=0, lt=1)
    detail: int = Field(12, ge=0, description="pairs whose attention is kept whole for the report")
    generation: GenerationSettings = GenerationSettings()
    causal: CausalSettings = CausalSettings()
    ablation: AblationSettings = AblationSettings()
    checks: tuple[Check, ...] = ()
    waivers: tuple[Waiver, ...] = ()

    @field_validator("probes")
    @classmethod
    def _each_once(cls, probes: tuple[str, ...]) -> tuple[str, ...]:
        """A probe named twice would count its measures twice."""
        return _once(probes, "probe")

    @model_validator(mode="after")
    def _fits_together(self) -> RunConfig:
        """Settings that contradict each other would decide something that nobody meant."""
        if self.min_bias > self.largest_hidden_bias:
            raise ValueError(
                f"min_bias {self.min_bias:g} is above largest_hidden_bias {self.largest_hidden_bias:g}: "
                "a bias that is never flagged could not be hidden"
            )
        if self.ablation.kinds and "ablation" not in self.probes:
            raise ValueError("kinds of ablation need the ablation probe, which measures them")
        edited = "causal" if "causal" in self.probes else "ablation" if self.ablation.kinds else None
        if edited and "attention" not in self.probes and self.causal.heads == "possible":
            raise ValueError(
                f"the {edited} probe needs the attention probe, which finds the heads that it measures"
            )
        return self
