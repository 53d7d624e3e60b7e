"""Asks a model's embeddings what the suites ask of them: associations and projections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from audit.association import association, project
from audit.config import RunConfig
from audit.embedding_suite import Association, Projection
from audit.errors import MeasurementError
from audit.records import EmbeddingRecord
from audit.suite import Suite
from probes.model import LoadedModel
from probes.word_vectors import check_layers, word_vectors


class EmbeddingProbe:
    """Associations of target words with attribute words, and projections on a direction, layer by layer.

    ``s(w,A,B) = mean_a cos(w,a) − mean_b cos(w,b)`` (WEAT, Caliskan et al. 2017; in sentences SEAT, May et
    al. 2019); the projection is the cosine with the mean difference of pairs such as (she, he) (after
    Bolukbasi et al. 2016). Effect sizes and correlations are made from these in
    :mod:`audit.embedding_findings`.
    """

    name = "embedding"
    version = "1"

    def survey(
        self, model: LoadedModel, suites: Sequence[Suite], config: RunConfig
    ) -> Iterator[EmbeddingRecord]:
        """Survey the model for all suites; those that ask for nothing cost nothing.

        A test that cannot be made costs only itself; it is told when all others are made.

        Raises:
            ModelError: a suite asks for a layer that the model does not have.
            MeasurementError: words of some tests have no token or no direction.
        """
        tests: list[tuple[Suite, Association | Projection]] = []
        for suite in suites:
            tests += [(suite, one) for one in suite.associations]
            tests += [(suite, one) for one in suite.projections]
        for _, test in tests:
            check_layers(model, test.layers)
        failures = []
        for suite, test in tests:
            try:
                if isinstance(test, Association):
                    yield from _association(model, suite, test)
                else:
                    yield from _projection(model, suite, test)
            except MeasurementError as error:
                failures.append(f"{suite.suite}: {test.id}: {error}")
        if failures:
            raise MeasurementError("; ".join(failures))


def _association(model: LoadedModel, suite: Suite, one: Association) -> Iterator[EmbeddingRecord]:
    vectors = word_vectors(model, one.words, one.layers, one.sentences)
    place = {word: index for index, word in enumerate(one.words)}
    targets = [(word, name) for name, words in one.targets.items() for word in words]
    first, second = ([place[word] for word in words] for words in one.attributes.values())
    x, y = one.targets
    a, b = one.attributes
    for layer in one.layers:
        here = vectors[layer]
        own = here[[place[word] for word, _ in targets]]
        yield EmbeddingRecord(
            suite=suite.suite,
            axis=suite.axis,
            kind="association",
            subject=one.id,
            layer=str(layer),
            contrast=(x, y),
            attributes=(a, b),
            words=tuple(word for word, _ in targets),
            sets=tuple(name for _, name in targets),
            values=association(own, here[first], here[second]),
        )


def _projection(model: LoadedModel, suite: Suite, one: Projection) -> Iterator[EmbeddingRecord]:
    entries = suite.lists[one.words.list]
    words = tuple(entry.name for entry in entries)
    poles = [word for pair in one.direction for word in pair]
    vectors = word_vectors(model, [*words, *poles], one.layers, one.sentences)
    for layer in one.layers:
        own, pairs = vectors[layer][: len(words)], vectors[layer][len(words) :]
        yield EmbeddingRecord(
            suite=suite.suite,
            axis=suite.axis,
            kind="projection",
            subject=one.id,
            layer=str(layer),
            contrast=(one.direction[0][0], one.direction[0][1]),
            attributes=None,
            words=words,
            sets=(one.words.list,) * len(words),
            values=project(own, pairs.reshape(len(one.direction), 2, -1)),
            against=one.against,
            known=np.array([float((entry.model_extra or {})[one.against]) for entry in entries]),
        )
