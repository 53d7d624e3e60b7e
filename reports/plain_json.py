"""JSON for other tools, with every text of a model or suite made visible."""

from __future__ import annotations

import json
from typing import Any

from audit.results.visible import visible


def plain_json(content: Any) -> bytes:
    r"""Write JSON in UTF-8; control characters and direction overrides are spelled out in every text.

    >>> plain_json({"a": "x\u202e"})
    b'{\n "a": "x[U+202E]"\n}\n'
    """
    return (json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _plain(content: Any) -> Any:
    match content:
        case dict():
            return {visible(name): _plain(value) for name, value in content.items()}
        case list() | tuple():
            return [_plain(value) for value in content]
        case str():
            return visible(content)
        case _:
            return content
