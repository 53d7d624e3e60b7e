"""Data for the page's scripts: JSON, deflated, in letters that need no escaping."""

from __future__ import annotations

import base64
import json
import zlib

from markupsafe import Markup


def packed(data: object) -> Markup:
    """Pack plain data; ``page.unpack`` in js/packed.js reads it.

    Texts of a suite repeat each other, so this is a sixth of the JSON, and holds no markup whatever was in it.

    Args:
        data: lists, dicts, texts, numbers and None; no NaN.
    Returns:
        Base64 of raw deflate of UTF-8 JSON.
    """
    # Half of a surrogate pair, which generated text can hold, has no UTF-8.
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    raw = squeeze.compress(text.encode("utf-8", errors="replace")) + squeeze.flush()
    return Markup(base64.b64encode(raw).decode("ascii"))
