"""Coverage of 95 % intervals and null p-values, by distribution, with one and with two random factors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import stats

from audit.latin_square import latin_square
from audit.power import Components, Design
from audit.statistics import Fit, interval, two_way
from tests.calibration.ledger import Row, write_figures

Array = npt.NDArray[np.float64]
SIMULATIONS = 20_000
#: Shares of the variance that templates, items and the rest have, as on real models.
SHARES = (0.1, 0.4, 0.5)

DRAWS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Array]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1,
    "lognormal": lambda rng, shape: (rng.lognormal(0, 0.5, shape) - np.exp(0.125)) / 0.604,
    "heavy lognormal": lambda rng, shape: (rng.lognormal(0, 1, shape) - np.exp(0.5)) / 2.161,
    "t with 3 df": lambda rng, shape: rng.standard_t(3, shape) / np.sqrt(3),
}


def simulated_fit(name: str, factors: int, seed: int, simulations: int) -> Fit:
    """Fit of many columns of mean 0: 20 templates × 20 items, or 40 × 3 items that do not recur."""
    rng, draw = np.random.default_rng(seed), DRAWS[name]
    templates, per_template = (20, 6) if factors == 2 else (40, 3)
    template = np.repeat(np.arange(templates), per_template)
    item = np.concatenate([latin_square(t, 20, per_template) for t in range(templates)])
    item = item if factors == 2 else np.arange(len(item))
    values = np.zeros((len(item), simulations))
    for share, codes in zip(SHARES, (template, item, np.arange(len(item))), strict=True):
        values += np.sqrt(share) * draw(rng, (codes.max() + 1, simulations))[codes]
    return two_way(values, template.tolist(), item.tolist())


def figures(name: str, factors: int) -> Row:
    fit = simulated_fit(name, factors, seed=factors, simulations=SIMULATIONS)
    low, high = interval(fit)
    ks = stats.kstest(fit.p, "uniform", alternative="greater")
    shares = {f"p ≤ {alpha}": round(float(np.mean(fit.p <= alpha)), 4) for alpha in (0.05, 0.01, 0.001)}
    return {
        "coverage": round(float(np.mean((low <= 0) & (high >= 0))), 4),
        **shares,
        "one-sided Kolmogorov–Smirnov p": round(float(ks.pvalue), 4),
    }


def run_coverage() -> None:
    """Every distribution, one and two factors."""
    write_figures(
        "coverage",
        {f"{name}, {factors} factors": figures(name, factors) for name in DRAWS for factors in (1, 2)},
    )


def run_power() -> None:
    """The share of simulated tests that find the effect that planning says 80 % of them find."""
    found = {}
    for design in (Design(20, 20, 6), Design(30, 16, 6), Design(40, 40, 6)):
        components = Components(*SHARES, 0.0, 0.0)
        for alpha in (0.05, 0.001):
            effect = as_seen(components, design).detectable(design, alpha, 0.8)
            share = simulated_power(design, components, effect, alpha)
            key = f"{design.templates} × {design.items}, {design.per_template} a template, level {alpha}"
            found[key] = {"planned effect": round(effect, 4), "found": round(share, 4)}
    write_figures("power", found)


def simulated_power(design: Design, components: Components, effect: float, alpha: float) -> float:
    """Share of normal samples with a true effect that the test finds."""
    values, template, item = normal_sample(design, components, 6000, seed=3)
    return float(np.mean(two_way(values + effect, template, item).p < alpha))


def normal_sample(
    design: Design, components: Components, columns: int, seed: int
) -> tuple[Array, list[int], list[int]]:
    """Normal data of a design with given components, and its templates and items."""
    rng = np.random.default_rng(seed)
    rows = [latin_square(t, design.items, design.per_template) for t in range(design.templates)]
    template, item = np.repeat(np.arange(design.templates), design.per_template), np.concatenate(rows)
    values = np.sqrt(components.template) * rng.standard_normal((design.templates, columns))[template]
    values += np.sqrt(components.item) * rng.standard_normal((design.items, columns))[item]
    values += np.sqrt(components.rest) * rng.standard_normal((len(template), columns))
    return values, template.tolist(), item.tolist()


def as_seen(components: Components, design: Design) -> Components:
    """With the skewness that samples of normal data have: E[γ²] = 6 k (k-1) / ((k-2)(k+1)(k+3))."""
    seen = [6 * k * (k - 1) / ((k - 2) * (k + 1) * (k + 3)) for k in (design.templates, design.items)]
    return Components(components.template, components.item, components.rest, *seen)
