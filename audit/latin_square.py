"""Which items each template gets, so that templates and items are balanced."""

from __future__ import annotations

from math import gcd


def latin_square(template: int, items: int, per_template: int) -> tuple[int, ...]:
    """Items of one template in a cyclic Latin square.

    ``item(t, j) = m_b · (t·k + j) mod n``: counted through round after round, so that over all templates
    no item is used more than once more often than another. After ``n / gcd(n, k)`` templates the same
    sets would come back; then the next multiplier ``m_b`` without a common divisor with n is taken,
    which keeps the balance and makes new sets.

    Args:
        template: index t of the template, from 0.
        items: how many items n there are.
        per_template: how many items k a template gets, at most n.
    Returns:
        `[per_template]` distinct indices of items, ascending.
    """
    period = items // gcd(items, per_template)
    units = [unit for unit in range(1, items // 2 + 1) if gcd(unit, items) == 1] or [1]
    block, first = divmod(template, period)
    unit = units[block % len(units)]
    return tuple(sorted(unit * (first * per_template + place) % items for place in range(per_template)))
