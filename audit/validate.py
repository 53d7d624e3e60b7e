"""Checks a document against a pydantic model and tells every fault with its line."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from audit.errors import Fault, InputError
from audit.yaml_lines import Document, DocumentPath

Model = TypeVar("Model", bound=BaseModel)

_KINDS = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple": "a list",
    "list": "a list",
    "dict": "a mapping",
    "mapping": "a mapping",
    "model": "a mapping",
    "date": "a date such as 2026-11-01",
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
    "too_short": ("min_length", "at least"),
    "too_long": ("max_length", "at most"),
    "string_too_short": ("min_length", "text of a length of at least"),
}


def validate(document: Document, model: type[Model]) -> Model:
    """Make a model of a document.

    Raises:
        InputError: with every fault, each at its file and line.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise InputError({_fault(document, model, detail) for detail in details}) from None
    except RecursionError:
        raise InputError([document.fault((), "nested too deeply")]) from None


def hint(word: str, options: Iterable[str]) -> str:
    """The end of a message: ``; did you mean 'attention'?``, or nothing when no option is near."""
    options = list(options)
    known = {option.casefold(): option for option in options}
    folded = word.casefold()
    near = [known[folded]] if folded in known else difflib.get_close_matches(word, options, n=1)
    near = near or [known[key] for key in difflib.get_close_matches(folded, known, n=1)]
    return f"; did you mean '{near[0]}'?" if near else ""


def listed(options: Sequence[str]) -> str:
    """Options as ``a, b or c``, each once."""
    *most, last = list(dict.fromkeys(options)) or ("nothing",)
    return f"{', '.join(most)} or {last}" if most else last


def shown(value: Any) -> str:
    """A value as ``(got VALUE)``, at most 60 characters of it."""
    text = repr(value)
    return f"(got {text if len(text) <= 60 else text[:57] + '...'})"


def _fault(document: Document, model: type[BaseModel], detail: ErrorDetails) -> Fault:
    absent = detail["type"] in ("missing", "extra_forbidden")
    path = _document_path(document.data, detail["loc"], absent)
    return document.fault(path, _message(model, path, detail))


def _document_path(data: Any, loc: tuple[int | str, ...], absent: bool) -> DocumentPath:
    """Keep of pydantic's location what is in the document (a shorthand has no keys of its own)."""
    path: list[int | str] = []
    for number, key in enumerate(loc):
        if _has(data, key):
            data = data[key]
        elif not (absent and number == len(loc) - 1 and isinstance(data, dict)):
            continue
        path.append(key)
    return tuple(path)


def _has(data: Any, key: int | str) -> bool:
    if isinstance(data, dict):
        return key in data
    return isinstance(data, list) and isinstance(key, int) and key < len(data)


def _message(model: type[BaseModel], path: DocumentPath, detail: ErrorDetails) -> str:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "missing":
        return "required key is missing" + _description(model, path)
    if kind == "extra_forbidden":
        options = sorted(_keys(model, path[:-1]))
        key = str(path[-1])
        return f"unknown key '{key}'; expected {listed(options)}{hint(key, options)}"
    if kind == "literal_error":
        options = re.findall(r"'([^']*)'", context["expected"]) or context["expected"].split(" or ")
        noun = next((key for key in reversed(path) if isinstance(key, str)), "value")
        return f"unknown {noun} {value!r}; expected {listed(options)}{hint(str(value), options)}"
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        got = context.get("actual_length", value) if bound.endswith("length") else value
        return f"out of range {shown(got)}; expected {words} {context[bound]}"
    if kind == "value_error":
        return f"{context['error']} {shown(value)}" if isinstance(value, str) else str(context["error"])
    expected = _KINDS.get(kind.split("_")[0])
    if expected:
        return f"wrong type {shown(value)}; expected {expected}"
    return f"{detail['msg'][0].lower()}{detail['msg'][1:]} {shown(value)}"


def _description(model: type[BaseModel], path: DocumentPath) -> str:
    around = _model_at(model, path[:-1])
    field = around.model_fields.get(str(path[-1])) if around else None
    return f"; expected {field.description}" if field and field.description else ""


def _keys(model: type[BaseModel], path: DocumentPath) -> list[str]:
    around = _model_at(model, path)
    return list(around.model_fields) if around else []


def _model_at(model: type[BaseModel], path: DocumentPath) -> type[BaseModel] | None:
    """The model of the mapping at a path; None where there is none."""
    at: Any = model
    for key in path:
        at = _step(at, key)
    models = [option for option in _options(at) if isinstance(option, type) and issubclass(option, BaseModel)]
    return models[0] if models else None


def _step(annotation: Any, key: int | str) -> Any:
    for option in _options(annotation):
        if isinstance(key, str) and isinstance(option, type) and issubclass(option, BaseModel):
            field = option.model_fields.get(key)
            return field.annotation if field else None
        origin, arguments = get_origin(option), get_args(option)
        if isinstance(key, int) and origin in (tuple, list):
            return arguments[0]
        if isinstance(key, str) and origin in (dict, Mapping):
            return arguments[1]
    return None


def _options(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; the bare type of an annotated one."""
    while hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(inner for option in get_args(annotation) for inner in _options(option))
    return (annotation,)
