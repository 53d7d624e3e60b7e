"""What a held-out result says, in a sentence for terminal and report."""

from __future__ import annotations

from audit.results import HeldOut


def told(result: HeldOut) -> str:
    """Which heads were chosen on one half, and what they do to the other half.

    Shares of a total effect near 0 say little, so effects are told in nats.
    """
    half = f"half {result.half} of templates and items ({result.choosing} pairs)"
    if result.total_effect is None or result.remaining is None or result.p is None:
        return f"{half}: {result.reason or 'not measured'}"
    rows = ((result.heads, ""), (result.heads_next, " at the last word"))
    names = [f"{layer}-{head}{where}" for heads, where in rows for layer, head in heads]
    noun = "head" if len(names) == 1 else "heads"
    before, after = f"{result.total_effect:+.3f}", f"{result.remaining:+.3f}"
    return (
        f"{half} chooses {len(names)} {noun} ({', '.join(names)}). With these at the mean of both texts, the total "
        f"effect over the other half ({result.trying} pairs) falls from {before} to {after} nats{_random(result)}"
        f"{_cost(result)}."
    )


def _random(result: HeldOut) -> str:
    if result.total_effect is None or result.random_median is None or result.random_95 is None:
        return ""
    median, strong = (result.total_effect * (1 - share) for share in (result.random_median, result.random_95))
    return (
        f"; {result.sets} random sets of the same layers leave {median:+.3f} (median), the strongest twentieth "
        f"{strong:+.3f} or less, p = {result.p:.2g}"
    )


def _cost(result: HeldOut) -> str:
    if result.perplexity is None or result.perplexity_edited is None:
        return (
            f". What they cost on neutral text is not known: {result.cost_reason}"
            if result.cost_reason
            else ""
        )
    random = (
        "" if result.perplexity_random is None else f"; with random heads to {result.perplexity_random:.1f}"
    )
    return (
        f". Cut off at every word, they take the perplexity of neutral text from {result.perplexity:.1f} to "
        f"{result.perplexity_edited:.1f}{random}"
    )
