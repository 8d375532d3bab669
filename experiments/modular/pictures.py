"""Pictures of runs of modular addition: over training, and over their attention rate."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from experiments.modular.phases import Events
from grokjax import figures
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics
from grokjax.curves.statistics import Interval
from grokjax.figures import Plot, style

Runs = Mapping[str, tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]]
"""The rates (per cent) of some runs by the name of their series, and a measure of each."""
APART = 1.6
"""Per cent of the rate between the dots of two series."""


def with_measures(found: Sweep, steps: np.ndarray, seen: dict[str, np.ndarray], happened: Events) -> Plot:
    """Train and test curves, the measures beneath, and how many runs each event is still ahead of."""
    train, test = (found.metrics[name][..., 0] for name in ("loss", "test_loss"))
    largest = np.where(seen["last"][:, None], seen["coefficients"], np.nan)
    of_keys = np.nan_to_num(np.sqrt(np.nansum(largest**2, -1)))
    rest = np.sqrt(np.maximum((seen["coefficients"] ** 2).sum(-1) - of_keys**2, 0))
    lived = {name: statistics.survival(times.time, times.ended) for name, times in happened._asdict().items()}
    return figures.beneath(
        train,
        test,
        {
            "progress (nats)": {"restricted": seen["restricted"], "excluded": seen["excluded"]},
            "logits along cos w(a+b−c)": {"key frequencies": of_keys, "all others": rest},
            "Gini coefficient": {"W_E": seen["gini_W_E"], "W_out W_U": seen["gini_W_L"]},
            "sum of squared weights": {"all": seen["squares"]},
        },
        steps=steps,
        test_steps=found.metrics["test_step"],
        logarithmic=["progress (nats)"],
        survival=lived,
    )


def over_rates(
    rates: Sequence[float],
    panels: Mapping[str, Runs],
    published: tuple[Sequence[float], Mapping[str, Sequence[float]]],
    shares: Mapping[str, Sequence[Interval]],
) -> Plot:
    """Returns a panel per measure with a dot for every run, a bar for the mean of each rate and the published
    means as a line, and a panel of the share of clocks with its intervals.
    """
    names = list(shares)
    side = {name: APART * (i - (len(names) - 1) / 2) for i, name in enumerate(names)}
    colour = dict(zip(names, style.CYCLE, strict=False))
    with style.settings():
        figure, grid = style.canvas(style.DOUBLE, 2.6, 1, len(panels) + 1)
        for ax, (title, runs) in zip(grid[0], panels.items(), strict=False):
            for name, (at, values) in runs.items():
                ax.plot(
                    at + side[name], values, "o", ms=2.2, alpha=0.6, mew=0, color=colour[name], label=name
                )
                for rate in rates:
                    own = values[np.isclose(at, rate)]
                    if len(own):
                        ends = [rate + side[name] - APART / 2, rate + side[name] + APART / 2]
                        ax.plot(ends, [own.mean()] * 2, color=colour[name], lw=1.5)
            ax.plot(
                published[0], published[1][title], "k-", lw=0.8, marker="x", ms=3, label="published means"
            )
            ax.set_title(title, loc="left")
        last = grid[0, -1]
        for name, found in shares.items():
            for rate, (value, low, high) in zip(rates, found, strict=True):
                if value is not None:
                    last.plot(rate + side[name], value, "o", ms=3, color=colour[name])
                    last.vlines(rate + side[name], low, high, color=colour[name], lw=0.8)
        last.set_title("share of clocks, or both", loc="left")
        last.set_ylim(-0.03, 1.03)
        for ax in grid[0]:
            ax.set_xlim(-5, 105)
        figure.supxlabel("attention rate (%); dots are runs, bars their means", fontsize=7.5)
        style.legend(figure, [*names, "published means"], "")
        style.settle(figure)
    return Plot(figure, _columns(rates, panels, published, shares))


def _columns(rates, panels, published, shares) -> dict[str, np.ndarray]:
    """What is drawn, a line per dot: panel, series, rate, value."""
    rows = [
        (title, name, rate, value)
        for title, runs in panels.items()
        for name, both in runs.items()
        for rate, value in zip(*both, strict=True)
    ]
    rows += [
        (title, "published", *pair)
        for title in panels
        for pair in zip(published[0], published[1][title], strict=True)
    ]
    rows += [
        ("share of clocks, or both", name, rate, np.nan if found.value is None else found.value)
        for name, each in shares.items()
        for rate, found in zip(rates, each, strict=True)
    ]
    return {
        name: np.array(column)
        for name, column in zip(("panel", "series", "rate", "value"), zip(*rows, strict=True), strict=True)
    }
