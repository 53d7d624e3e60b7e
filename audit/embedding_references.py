"""Checks what a suite asks about embeddings: words, lists and attributes that are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from audit.embedding_suite import Association, Projection
from audit.errors import Fault
from audit.references import Found, known_names, twice
from audit.suite import Suite
from audit.validate import hint, listed, shown
from audit.yaml_lines import Document, DocumentPath


def embedding_faults(suite: Suite, document: Document) -> list[Fault]:
    """Every id that is there twice, list or attribute that is not there, and word in two sets at once."""
    found: list[Found] = []
    for index, one in enumerate(suite.associations):
        found += _association(one, ("associations", index))
    for index, projection in enumerate(suite.projections):
        found += _projection(suite, projection, ("projections", index))
    found += _ids(suite)
    if suite.task == "embedding" and not (suite.associations or suite.projections):
        found.append((("task",), "'embedding' needs 'associations' or 'projections'; the suite has none"))
    return [document.fault(path, message) for path, message in dict.fromkeys(found)]


def _ids(suite: Suite) -> Iterator[Found]:
    ids = [one.id for one in suite.associations]
    yield from twice(ids, ("associations",), "id")
    yield from twice((one.id for one in suite.projections), ("projections",), "id")
    for index, one in enumerate(suite.projections):
        if one.id in ids:
            yield ("projections", index, "id"), f"an association has the same id {shown(one.id)}"


def _association(one: Association, path: DocumentPath) -> Iterator[Found]:
    for kind, sets in (("targets", one.targets), ("attributes", one.attributes)):
        seen: dict[str, str] = {}
        for name, words in sets.items():
            for index, word in enumerate(words):
                if word in seen:
                    told = f"the word is there twice {shown(word)}; it is in '{seen[word]}' already"
                    yield (*path, kind, name, index), told
                seen.setdefault(word, name)
    yield from _layers(one.layers, path)


def _projection(suite: Suite, one: Projection, path: DocumentPath) -> Iterator[Found]:
    for index, pair in enumerate(one.direction):
        if pair[0] == pair[1]:
            yield (*path, "direction", index), f"the two words are the same {shown(list(pair))}"
    name = one.words.list
    yield from known_names([name], suite.lists, "list", (*path, "words", "list"))
    entries = suite.lists.get(name, ())
    attributes = sorted({key for entry in entries for key in entry.model_extra or {}})
    without = [entry.name for entry in entries if _number(entry.model_extra or {}, one.against) is None]
    if entries and without:
        words = f"{listed(without[:3])}{' and others' if len(without) > 3 else ''}"
        told = f"no number '{one.against}' in the list '{name}' for {words}"
        near = hint(one.against, attributes) if one.against not in attributes else ""
        yield (*path, "against"), told + near
    yield from _layers(one.layers, path)


def _number(attributes: dict[str, object], name: str) -> float | None:
    value = attributes.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _layers(layers: Iterable[int | str], path: DocumentPath) -> Iterator[Found]:
    seen: set[int | str] = set()
    for index, layer in enumerate(layers):
        if layer in seen:
            yield (*path, "layers", index), f"the layer is there twice {shown(layer)}"
        seen.add(layer)
