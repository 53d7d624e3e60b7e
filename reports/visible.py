"""Text that a model wrote, without the characters that would hide or reorder what stands around them."""

from __future__ import annotations

from audit.results.visible import visible

__all__ = ["visible"]
