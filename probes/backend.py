"""The built-in backend: models of the transformers library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.results import SelfTestStep

if TYPE_CHECKING:
    from probes.model import LoadedModel


class TransformersBackend:
    """Loads models with transformers (entry point ``evenhand.backends``)."""

    name = "transformers"

    def load(
        self, spec: str, *, dtype: str = "float32", device: str = "cpu", allow_pickle: bool = False
    ) -> LoadedModel:
        """Load a folder, a ``.gguf`` file, a hub id or ``demo``.

        Raises:
            ModelError: the model cannot be found, loaded, or measured exactly.
        """
        from probes.load import load

        return load(spec, dtype=dtype, device=device, allow_pickle=allow_pickle)

    def self_test(self, model: LoadedModel) -> tuple[SelfTestStep, ...]:
        """Prove on the model itself that capture is exact."""
        from probes.quiet import quiet
        from probes.selftest import self_test

        with quiet():
            return self_test(model)
