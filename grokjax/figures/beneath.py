"""Train and test curves of every run; beneath them what was measured at saved epochs, on the same steps."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from grokjax.figures import curves, distributions, generalization, labels, series, style
from grokjax.figures.plot import Plot

Measures = Mapping[str, Mapping[str, Float[np.ndarray, "S E"]]]
"""For each panel, by its title, the series by name."""


def beneath(
    train: Float[np.ndarray, "S T"],
    test: Float[np.ndarray, "S K"],
    measures: Measures,
    *,
    steps: Int[np.ndarray, " E"],
    test_steps: Int[np.ndarray, " K"],
    logarithmic: Sequence[str] = (),
    survival: Mapping[str, distributions.Survival] | None = None,
) -> Plot:
    """Draws the loss (nats) of every run, then a panel for each measure: runs thin, medians thick.

    steps, test_steps: of the measures, and of the test curves;  logarithmic: the titles drawn on such a scale
    survival: for each event the share of runs that it has not happened to yet, in the last panel
    Raises ValueError where a series has not [S, E] entries.
    """
    _check(measures, len(train), len(steps))
    count = 1 + len(measures) + (survival is not None)
    columns = 2 if count > 1 else 1
    rows = -(-count // columns)
    with style.settings():
        figure, grid = style.canvas(style.DOUBLE, 0.3 + 1.75 * rows, rows, columns)
        panels = iter(grid.ravel())
        first = next(panels)
        drawn = generalization.train_test(train, test, test_steps=test_steps, ax=first).data
        first.set_title("loss (nats)", loc="left")
        first.set_ylabel("")
        axis = first.get_xlim(), first.get_xlabel()
        for title, each in measures.items():
            _panel(next(panels), title, each, steps, "log" if title in logarithmic else "linear")
        if survival is not None:
            distributions.survival(survival, ylabel="", ax=(last := next(panels)))
            last.set_title("share of runs that are not there yet", loc="left")
        for empty in panels:
            empty.remove()
        for axes in figure.axes:
            axes.set_xscale("symlog", linthresh=10, linscale=0.4)
            axes.set_xlim(axis[0])
            axes.set_xlabel("")
        figure.supxlabel(axis[1], fontsize=7.5)
        style.settle(figure)
    return Plot(figure, _data(drawn, measures, steps))


def _panel(axes, title, each, steps, scale):
    """One measure: every series in a colour of its own, named at its end."""
    axes.set_title(title, loc="left")
    shown = [style.CYCLE[k % len(style.CYCLE)] for k in range(len(each))]
    for values, colour in zip(each.values(), shown, strict=True):
        curves.runs(axes, steps, values, colour, colour)
    curves.finish([axes], steps, np.concatenate(list(each.values())), scale)
    if len(each) > 1:
        heights = [series.last(series.median(values)) for values in each.values()]
        axes.figure.draw_without_rendering()
        labels.ends(axes, list(each), heights, shown)


def _check(measures, runs, epochs):
    for title, each in measures.items():
        for name, values in each.items():
            if np.shape(values) != (runs, epochs):
                raise ValueError(
                    f"{title!r} has {name!r} of shape {np.shape(values)}; it must be [runs, saved epochs], "
                    f"({runs}, {epochs})"
                )


def _data(curve, measures, steps):
    """The numbers that `beneath` draws, a line per panel, series and step: the median, then every run."""
    number = len([name for name in curve if name.startswith("run_")])
    rows = [
        (panel, name, step, *values)
        for panel, name, step, *values in zip(
            ["loss (nats)"] * len(curve["step"]),
            curve["set"],
            curve["step"],
            curve["median"],
            *(curve[f"run_{run}"] for run in range(number)),
            strict=True,
        )
    ] + [
        (title, name, float(step), *point)
        for title, each in measures.items()
        for name, values in each.items()
        for step, point in zip(steps, np.vstack([series.median(values), values]).T, strict=True)
    ]
    heads = ("panel", "series", "step", "median", *(f"run_{run}" for run in range(number)))
    return {name: np.array([row[i] for row in rows]) for i, name in enumerate(heads)}
