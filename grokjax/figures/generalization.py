"""Train and test curves of every run on one pair of axes: when each memorises, and when it generalises."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.ticker import SymmetricalLogLocator

from grokjax.figures import curves, labels, series, style
from grokjax.figures.plot import Plot

TRAIN_AND_TEST = ((style.SKY, style.BLUE, "train"), (style.ORANGE, style.VERMILLION, "test"))
"""The colours of single runs and of their median, and the name, of both curves."""


def train_test(
    train: Any,
    test: Float[np.ndarray, "S E"] | None = None,
    *,
    steps: Int[np.ndarray, " T"] | None = None,
    test_steps: Int[np.ndarray, " E"] | None = None,
    metric: str = "loss",
    label: str | None = None,
    scale: str | None = None,
    groups: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Plot:
    """Draws train and test curves of every run on one pair of axes, steps on a logarithmic axis.

    train, test: [S, T] and [S, E] with their steps; or, alone, a sweep or the list of the epochs of `train`
    metric: of a sweep or of epochs, loss or accuracy, the mean over the answers
    label, scale: None takes the metric's name, and a log scale for the loss, else a linear one
    groups: of each run what it was trained with; every group has a colour, its training curves are dashed
    Raises ValueError where test curves are missing or the lengths do not fit each other.
    """
    label = label or ("loss (nats)" if metric == "loss" else metric.replace("_", " "))
    scale = scale or ("log" if metric == "loss" else "linear")
    curves.check_scale(scale)
    if (found := series.metrics_of(train)) is not None:
        train, test, test_steps = _means(found, metric)
    if test is None:
        raise ValueError("test is missing: give train and test curves, or a sweep of a task with a test set")
    both = (series.sampled(train, steps), series.sampled(test, test_steps))
    places, values = np.concatenate([step for step, _ in both]), np.concatenate([y for _, y in both], 1)
    members = curves.grouped(groups, len(values))
    with style.settings():
        figure, axes = style.panel(ax, style.SINGLE if len(members) == 1 else style.DOUBLE, 2.4)
        if len(members) > 1:
            _by_group(axes, both, members)
        else:
            for (step, own), look in zip(both, TRAIN_AND_TEST, strict=True):
                curves.runs(axes, step, own, *look)
        curves.finish([axes], places, values, scale)
        _logarithmic_steps(axes, label)
        figure.draw_without_rendering()
        if len(members) == 1:
            heights = [series.last(series.median(own)) for _, own in both]
            labels.ends(axes, ("train", "test"), heights, (style.BLUE, style.VERMILLION))
        style.settle(figure, ax)
    return Plot(figure, _train_test_data(both, values, members))


def _train_test_data(both, values, members):
    """The numbers that `train_test` draws, a line per set and step: the medians, then every run."""
    sets = np.repeat(["train", "test"], [len(step) for step, _ in both])
    medians = {f"median {name}".strip(): series.median(values[own]) for name, own in members.items()}
    each = {f"run_{run}": row for run, row in enumerate(values)}
    return {"set": sets, "step": np.concatenate([step for step, _ in both]), **medians, **each}


def _means(metrics, metric):
    """(train, test, steps of the tests): a sweep's metric and its test metric, means over the answers."""
    mean = lambda name: metrics[name].mean(-1) if metrics[name].ndim == 3 else metrics[name]
    return mean(metric), mean(f"test_{metric}"), metrics["test_step"]


def _logarithmic_steps(axes, label):
    """Labels the axes; steps are logarithmic, with a 0."""
    axes.set_xscale("symlog", linthresh=10, linscale=0.4)
    axes.xaxis.set_minor_locator(SymmetricalLogLocator(base=10, linthresh=10, subs=range(2, 10)))
    axes.set_xlabel(curves.step_label(1))
    axes.set_ylabel(label)


def _by_group(axes, both, members):
    """Both curves of every run in the colour of its group, and a legend right of the axes."""
    dashes = {"train": (0, (2.5, 1.5)), "test": "solid"}
    for (name, own), (thin, thick) in zip(members.items(), curves.colours(len(members)), strict=True):
        for (step, values), dash in zip(both, dashes.values(), strict=True):
            curves.runs(axes, step, values[own], thin, thick, dash=dash)
        axes.plot([], [], color=thick, label=name)
    for kind, dash in dashes.items():
        axes.plot([], [], color="0.3", linestyle=dash, label=kind)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
