"""``serve.py MODULE``, run by the peers' own Python: one JSON line in, one JSON line out, the model loaded once.

The first line goes to the module's ``prepare``, every later one to what that returned.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module
from importlib.metadata import version
from typing import Any

import torch


def main(module: str) -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the peers print is no answer

    def answer(seconds: float, numbers: Any) -> None:
        answers.write(json.dumps({"seconds": seconds, "numbers": numbers}) + "\n")
        answers.flush()

    torch.set_grad_enabled(False)
    peer = import_module(module)
    settings = json.loads(sys.stdin.readline())
    torch.set_num_threads(settings.pop("threads"))
    once = peer.prepare(**settings)
    answer(0.0, {name: version(name) for name in (*peer.PACKAGES, "torch", "transformers")})
    for line in sys.stdin:
        arguments = json.loads(line)
        start = time.perf_counter()
        numbers = once(**arguments)
        answer(time.perf_counter() - start, numbers)


if __name__ == "__main__":
    main(sys.argv[1])
