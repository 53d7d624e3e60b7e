"""Which pairs can be intervened on exactly, in which way, and why the others cannot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from audit.coreference import token_indices
from audit.errors import MeasurementError
from audit.pairs import PRONOUN, Pair, Text
from audit.protocols import Encoding
from probes.job import Engine, Job, Shape, Spot, by_shape
from probes.model import LoadedModel
from probes.questions import Input, Question, question
from probes.rows import predicting_row
from probes.tails import SharedPrefix
from probes.whole_passes import WholePasses


@dataclass(frozen=True, slots=True)
class Work:
    """Jobs of one shape, and the engine that runs them."""

    engine: Engine
    jobs: Sequence[Job]


def prepare(model: LoadedModel, pairs: Iterable[Pair]) -> tuple[list[Work], dict[str, str]]:
    """Tokenise pairs for interventions.

    Args:
        model: of any family.
        pairs: of one suite and contrast.
    Returns:
        What can be intervened on exactly, and for every other pair the reason.
    """
    jobs: list[Job] = []
    reasons: dict[str, str] = {}
    for pair in pairs:
        job = _job(model, pair)
        if isinstance(job, Job):
            jobs.append(job)
        else:
            reasons[pair.pair_id] = job
    work, refused = assign(model, jobs)
    return work, reasons | refused


def assign(model: LoadedModel, jobs: Iterable[Job]) -> tuple[list[Work], dict[str, str]]:
    """Find the first engine that is exact, for each shape of jobs.

    Args:
        model: of any family.
        jobs: of any shapes.
    Returns:
        What can be run, and for every other job the reason by its name.
    """
    work: list[Work] = []
    reasons: dict[str, str] = {}
    for same in by_shape(jobs).values():
        engine = _engine(model, same[0])
        if isinstance(engine, str):
            reasons |= dict.fromkeys((job.name for job in same), engine)
        else:
            work.append(Work(engine, same))
    return work, reasons


_chosen: WeakKeyDictionary[LoadedModel, dict[Shape, Engine | str]] = WeakKeyDictionary()


def _engine(model: LoadedModel, job: Job) -> Engine | str:
    """What runs jobs of a shape, found out once per model and shape; or why nothing does."""
    known = _chosen.setdefault(model, {})
    if job.shape not in known:
        reason: str | None = None
        for engine in (SharedPrefix(model), WholePasses(model)):
            reason = engine.why_not(job)
            if reason is None:
                known[job.shape] = engine
                break
        else:
            known[job.shape] = str(reason)
    return known[job.shape]


def told_engine(model: LoadedModel, ids: Sequence[int]) -> str:
    """How a model's heads are edited, as a trial on one text shows, and why not in the faster way.

    Args:
        model: of any family.
        ids: the text's tokens, at least two.
    """
    asked = Question((Input(tuple(ids)),), ((0, len(ids) - 1, ids[0]),), ((0, len(ids) - 1, ids[1]),))
    row = Spot(model.stream, (len(ids) // 2,))
    job = Job("trial", (asked, asked), row.rows[0], row, None)
    reason = SharedPrefix(model).why_not(job)
    if reason is None:
        return f"{SharedPrefix.told}; {WholePasses.told}, where these are not exact"
    return f"{WholePasses.told} ({reason})"


def why_not_exchangeable(
    pair: Pair, a: Encoding, b: Encoding, rows_a: Sequence[int], rows_b: Sequence[int]
) -> str | None:
    """Attention rows can be exchanged only between texts with equally many tokens, alike elsewhere."""
    if len(a.ids) != len(b.ids):
        return f"attention rows cannot be exchanged: {len(a.ids)} against {len(b.ids)} tokens"
    if tuple(rows_a) != tuple(rows_b) or not rows_a:
        return "attention rows cannot be exchanged: the swapped words lie at different tokens"
    if _elsewhere(pair.a, a) != _elsewhere(pair.b, b):
        return "attention rows cannot be exchanged: the texts differ in other tokens than the swapped words'"
    return None


def _elsewhere(text: Text, encoding: Encoding) -> list[int | None]:
    """The tokens of a text, with a gap for each of the swapped words'."""
    swapped = {token for span in text.swap for token in token_indices(span, encoding)}
    return [None if place in swapped else token for place, token in enumerate(encoding.ids)]


def _job(model: LoadedModel, pair: Pair) -> Job | str:
    """Tokenise a pair for interventions; or say why its rows cannot be exchanged."""
    if not (pair.a.swap and pair.b.swap):
        return "attention rows cannot be exchanged: the texts differ in nothing but spaces"
    a, b = model.encode(pair.a.text), model.encode(pair.b.text)
    rows_a, rows_b = (
        token_indices(text.mentions.get(PRONOUN, text.swap[0]), encoding)
        for text, encoding in ((pair.a, a), (pair.b, b))
    )
    if reason := why_not_exchangeable(pair, a, b, rows_a, rows_b):
        return reason
    if pair.completions is None:
        return "no completions: nothing to measure an effect on"
    try:
        asked = [question(model, text.text, pair.completions) for text in (pair.a, pair.b)]
    except MeasurementError as error:
        return str(error)
    lengths = [[(len(each.ids), len(each.decoded)) for each in one.inputs] for one in asked]
    if lengths[0] != lengths[1]:
        return "attention rows cannot be exchanged: the answers have unequally many tokens in the two texts"
    rows = _read_rows(model, a, rows_a, len(asked[0].inputs[0].ids))
    ids_a, ids_b = (one.inputs[0].ids for one in asked)
    differing = (i for i, (x, y) in enumerate(zip(ids_a, ids_b, strict=True)) if x != y)
    start = min([*differing, *rows])
    return Job(pair.pair_id, tuple(asked), start, Spot(model.stream, rows), _following(model, a, asked[0]))


def _read_rows(model: LoadedModel, text: Encoding, rows: Sequence[int], tokens: int) -> tuple[int, ...]:
    """Rows of a text's tokens in what is read: several masks may stand where the text has one."""
    mask = getattr(model.tokenizer, "mask_token_id", None)
    if model.family != "encoder" or mask not in text.ids:
        return tuple(rows)
    more = tokens - len(text.ids)
    return tuple(row + more if row > text.ids.index(mask) else row for row in rows)


def _following(model: LoadedModel, text: Encoding, asked: Question) -> Spot | None:
    """The row that predicts the answer: of the text, or an encoder–decoder's first row of cross-attention."""
    if model.decodes:
        return Spot("cross", (min(position for _, position, _ in (*asked.first, *asked.second)),))
    row = predicting_row(model, text.ids)
    return None if row is None else Spot("self", (row,))
