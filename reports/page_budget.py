"""What the parts of the page that grow with a run may weigh, so that the page stays within 5 MB."""

from __future__ import annotations

from typing import Final

#: What neither Plotly nor the page's other parts take of these 5 MB, and what the heads of each contrast do.
_FREE: Final = 3_100_000
_A_GROUP: Final = 450_000
#: All pairs may take so many letters at most and at least, whole attention so many bytes.
_MOST_PAIRS, _LEAST_PAIRS = 2_300_000, 500_000
_MOST_ATTENTION, _LEAST_ATTENTION = 2_500_000, 600_000


def pairs_budget(groups: int) -> int:
    """How many letters the packed pairs may take beside the heads of so many contrasts.

    >>> pairs_budget(1), pairs_budget(3), pairs_budget(20)
    (2050000, 1150000, 500000)
    """
    return max(_LEAST_PAIRS, min(_MOST_PAIRS, _FREE - _LEAST_ATTENTION - groups * _A_GROUP))


def attention_budget(groups: int, pairs: int) -> int:
    """How many bytes whole attention may take beside the heads of contrasts and the packed pairs.

    >>> attention_budget(1, 30_000), attention_budget(1, 2_050_000), attention_budget(20, 500_000)
    (2500000, 600000, 600000)
    """
    return max(_LEAST_ATTENTION, min(_MOST_ATTENTION, _FREE - groups * _A_GROUP - pairs))
