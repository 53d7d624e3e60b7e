"""Writes what the model says after each text: greedily, and in seeded samples."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Sequence

import torch

from audit.config import GenerationSettings, RunConfig
from audit.errors import MeasurementError
from audit.pairs import Pair
from audit.protocols import HeadChoice
from audit.records import OutputRecord
from audit.suite import NEEDED_HEADS
from probes.decoding import Sampling, continue_texts
from probes.model import LoadedModel

#: A prompt and its random numbers' source: texts that share both share their continuation.
_Job = tuple[str, int]


class GenerationProbe:
    """Continuations of each text: ``generation`` (greedy), ``generation_sample_0`` and so on.

    ``text`` holds the continuation, ``value`` its number of tokens. Both arms of a pair are sampled
    with the same random numbers, so that they differ by nothing but the arm; these come from the
    run's seed, the template, the item and the order, and never from a global generator.
    """

    name = "generation"
    version = "1"
    stage = 1

    def wants(self, pair: Pair, config: RunConfig) -> bool:
        """Pairs of the kinds that the config names, but for those whose task has a probe of its own."""
        return pair.kind in config.generation.kinds and pair.task not in NEEDED_HEADS

    def measure(
        self, model: LoadedModel, pairs: Sequence[Pair], config: RunConfig, heads: HeadChoice
    ) -> Iterator[OutputRecord]:
        """Continue both texts of each pair.

        Raises:
            MeasurementError: the model's logits are NaN; names the pair, or the first one of the batch.
        """
        if reason := _why_silent(model):
            for pair in pairs:
                for text in (pair.a, pair.b):
                    yield OutputRecord(pair.pair_id, text.arm, "generation", None, reason=reason)
            return
        settings = config.generation
        jobs = _jobs(pairs, config.seed, settings.samples)
        fitting = [job for job in jobs if _why_too_long(model, job[0], settings) is None]
        try:
            written = _write(model, fitting, settings)
        except MeasurementError as error:
            raise MeasurementError(f"{pairs[0].suite}: pair {pairs[0].pair_id}: {error}") from error
        for pair in pairs:
            yield from _records(model, pair, config, written)


def _why_silent(model: LoadedModel) -> str | None:
    """Why a model continues no text."""
    if model.head != "causal-lm":
        return f"continuations need a decoder with a language-model head; this is an {model.family} ({model.head})"
    if "past_key_values" not in inspect.signature(model.net.forward).parameters:
        return f"continuations need a cache of keys and values, and {type(model.net).__name__} keeps none"
    return None


def _seed(pair: Pair, seed: int, sample: int) -> int:
    """A seed of 63 bits that both arms of a pair share."""
    name = "\x1f".join((str(seed), pair.suite, pair.cluster, pair.item, str(pair.order), str(sample)))
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def _jobs(pairs: Sequence[Pair], seed: int, samples: int) -> list[_Job]:
    """Every continuation of a batch, once; -1 stands for the greedy one."""
    jobs = [
        (text.text, number)
        for pair in pairs
        for text in (pair.a, pair.b)
        for number in (-1, *(_seed(pair, seed, sample) for sample in range(samples)))
    ]
    return list(dict.fromkeys(jobs))


def _why_too_long(model: LoadedModel, text: str, settings: GenerationSettings) -> str | None:
    length = len(model.encode(text).ids) + settings.max_new_tokens
    if length <= model.max_length:
        return None
    return f"text and continuation need {length} tokens, the context window holds {model.max_length}"


def _write(model: LoadedModel, jobs: Sequence[_Job], settings: GenerationSettings) -> dict[_Job, list[int]]:
    steps = settings.max_new_tokens
    sampling = Sampling(settings.temperature, settings.top_p)
    written: dict[_Job, list[int]] = {}
    for drawn in (False, True):
        part = [job for job in jobs if (job[1] >= 0) is drawn]
        if not part:
            continue
        prompts = [model.encode(text).ids for text, _ in part]
        chances = torch.stack([_chances(seed, steps) for _, seed in part]) if drawn else None
        found = continue_texts(model, prompts, steps, chances, sampling)
        written.update(zip(part, map(list, found), strict=True))
    return written


def _chances(seed: int, steps: int) -> torch.Tensor:
    return torch.rand(steps, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _records(
    model: LoadedModel, pair: Pair, config: RunConfig, written: dict[_Job, list[int]]
) -> Iterator[OutputRecord]:
    samples = range(config.generation.samples)
    numbers = {"generation": -1, **{f"generation_sample_{i}": _seed(pair, config.seed, i) for i in samples}}
    for text in (pair.a, pair.b):
        reason = _why_too_long(model, text.text, config.generation)
        for measure, number in numbers.items():
            if reason:
                yield OutputRecord(pair.pair_id, text.arm, measure, None, reason=reason)
                continue
            tokens = written[text.text, number]
            said = model.tokenizer.decode(tokens, skip_special_tokens=True)
            yield OutputRecord(pair.pair_id, text.arm, measure, float(len(tokens)), said)
