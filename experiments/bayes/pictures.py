"""Pictures of learning coefficients: over training, the chains, and the grid for choosing settings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from grokjax.figures import Plot, style
from grokjax.interp.bayes.calibration import Plateau
from grokjax.interp.bayes.estimates import MIXED, Estimate

UNTRUSTED = f"ring: a chain diverged, or R-hat above {MIXED:g}"
ABOVE: Any = dict(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
BENEATH: Any = dict(frameon=False, loc="outside lower center", ncols=4)
"""Legends where they hide nothing: over a panel, and beneath all."""


def over_training(
    steps: Float[np.ndarray, " E"],
    mean: Float[np.ndarray, "E S"],
    error: Float[np.ndarray, "E S"],
    losses: dict[str, tuple[np.ndarray, np.ndarray]],
    trusted: Bool[np.ndarray, "E S"],
) -> Plot:
    """Returns learning coefficients over training, every run a line with two standard errors, losses beneath.

    losses: curves (steps [T], values [S, T]) in nats by name;  trusted: estimates without a note; the others
      are drawn as open circles
    """
    with style.settings():
        figure, grid = style.canvas(style.DOUBLE * 0.6, 3.6, 2, 1, sharex=True)
        upper, lower = grid[:, 0]
        for run in range(mean.shape[1]):
            colour = style.CYCLE[run % len(style.CYCLE)]
            look: Any = dict(color=colour, lw=0.8, elinewidth=0.6, label="" if run else "a run, ± 2 s.e.")
            upper.errorbar(steps, mean[:, run], 2 * error[:, run], **look)
            open_ones = ~trusted[:, run]
            ring: Any = dict(ms=3, mfc="white", mec=colour, ls="none", label="" if run else UNTRUSTED)
            upper.plot(steps[open_ones], mean[open_ones, run], "o", zorder=3, **ring)
        for (name, (at, values)), line in zip(losses.items(), ("-", ":", "--"), strict=False):
            for run, curve in enumerate(values):
                lower.plot(
                    at,
                    curve,
                    line,
                    color=style.CYCLE[run % len(style.CYCLE)],
                    lw=0.7,
                    label="" if run else name,
                )
        upper.axhline(0, color="0.6", lw=0.5)
        upper.set_ylabel("local learning coefficient")
        lower.set(ylabel="loss (nats)", xlabel="step", yscale="log")
        upper.legend(**ABOVE)
        if losses:
            lower.legend(**ABOVE)
    return Plot(figure, _columns(steps, mean, error, trusted))


def _columns(steps: np.ndarray, mean: np.ndarray, error: np.ndarray, trusted: np.ndarray) -> dict:
    """Estimates [E, S] as columns."""
    rows, runs = np.meshgrid(np.arange(len(steps)), np.arange(mean.shape[1]), indexing="ij")
    columns = dict(step=np.asarray(steps)[rows], run=runs, llc=mean, standard_error=error, trusted=trusted)
    return {name: values.ravel() for name, values in columns.items()}


def traces(estimate: Estimate) -> Plot:
    """Returns nβ (loss − loss at w*) of every chain, burn-in in grey, with the estimate and its error."""
    nbeta, baseline = float(estimate.nbeta), float(estimate.baseline)
    before, after = (nbeta * (np.asarray(x) - baseline) for x in (estimate.burn_in_trace, estimate.trace))
    every = int(estimate.draw_every)
    steps = before.shape[1] + every * (1 + np.arange(after.shape[1])) - 1
    with style.settings():
        figure, ax = style.panel(None, style.SINGLE, 2.2)
        for chain, (early, late) in enumerate(zip(before, after, strict=True)):
            ax.plot(early, color="0.75", lw=0.5)
            ax.plot(steps, late, color=style.CYCLE[chain % len(style.CYCLE)], lw=0.5)
        ax.axhline(float(estimate.mean), color="k", lw=0.8)
        ax.set(xlabel="step of the chain", ylabel="nβ (loss − loss at w*)", title=repr(estimate))
    number = after.shape[0]
    data = dict(
        chain=np.repeat(np.arange(number), after.shape[1]), step=np.tile(steps, number), value=after.ravel()
    )
    return Plot(figure, data)


def calibration(grid: Estimate, plateaus: list[list[Plateau]]) -> Plot:
    """Returns a panel for every nβ: estimates over ε, a line for each γ, plateaus marked, unusable ones open.

    grid: leaves [ε, nβ, γ, ...], of `calibration.grid`;  plateaus: of `calibration.choose`
    """
    epsilon, nbeta, gamma = (np.asarray(x) for x in (grid.epsilon, grid.nbeta, grid.gamma))
    mean, error = np.asarray(grid.mean), np.asarray(grid.standard_error)
    healthy = (np.asarray(grid.masked) == 0) & (np.asarray(grid.r_hat) <= 1.1)
    with style.settings():
        columns = mean.shape[1]
        figure, axes = style.canvas(min(style.DOUBLE, 2.6 * columns + 0.8), 2.4, 1, columns, sharey=True)
        for i, ax in enumerate(axes[0]):
            for j in range(mean.shape[2]):
                colour, x, y = style.CYCLE[j % len(style.CYCLE)], epsilon[:, i, j], mean[:, i, j]
                ax.errorbar(x, y, error[:, i, j], color=colour, lw=0.8, label=f"γ {gamma[0, i, j]:g}")
                good = healthy[:, i, j]
                ax.plot(x[good], y[good], "o", ms=3, color=colour)
                label = UNTRUSTED if not i and not j else ""
                ax.plot(x[~good], y[~good], "o", ms=3, mfc="white", mec=colour, label=label)
                if (found := plateaus[i][j]).found:
                    part = slice(found.first, found.last + 1)
                    ax.plot(x[part], y[part], color=colour, lw=3, alpha=0.35)
            ax.set(xscale="log", xlabel="ε", title=f"nβ {nbeta[0, i, 0]:.4g}")
            ax.set_yscale("symlog", linthresh=1.0)
        axes[0, 0].set_ylabel("local learning coefficient")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), **BENEATH)
    columns_of = dict(epsilon=epsilon, nbeta=nbeta, gamma=gamma, llc=mean, standard_error=error)
    more = dict(r_hat=np.asarray(grid.r_hat), masked=np.asarray(grid.masked))
    return Plot(figure, {name: x.ravel() for name, x in {**columns_of, **more}.items()})


Against = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Of every run: coefficient, its standard error, whether it is trusted, gradient symmetricity [S]."""


def against_rate(rates: Float[np.ndarray, " S"], panels: dict[str, Against]) -> Plot:
    """Returns coefficients against the attention rate, coloured by gradient symmetricity, a panel per title.

    Estimates that are not trusted are open circles.
    """
    with style.settings():
        figure, grid = style.canvas(style.DOUBLE, 2.6, 1, len(panels))
        shift = np.random.default_rng(0).uniform(-0.02, 0.02, len(rates))
        for ax, (title, (mean, error, ok, colour)) in zip(grid[0], panels.items(), strict=True):
            ax.errorbar(rates + shift, mean, error, fmt="none", ecolor="0.7", elinewidth=0.5)
            image = ax.scatter(
                rates + shift, mean, c=colour, s=10, vmin=0.3, vmax=1, cmap="cividis", zorder=3
            )
            ring: Any = dict(s=22, facecolor="none", edgecolor="0.4", lw=0.5, label=UNTRUSTED)
            ax.scatter((rates + shift)[~ok], mean[~ok], **ring)
            ax.set(xlabel="attention rate", title=title)
        figure.colorbar(image, ax=grid[0, -1], label="gradient symmetricity")
        grid[0, 0].set_ylabel("local learning coefficient")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), **BENEATH)
    names = ("llc", "standard_error", "trusted", "symmetricity")
    columns = {
        name: np.concatenate(x) for name, x in zip(names, zip(*panels.values(), strict=True), strict=True)
    }
    panel = np.repeat(list(panels), len(rates))
    return Plot(figure, {"panel": panel, **columns, "rate": np.tile(rates, len(panels))})


Over = tuple[np.ndarray, np.ndarray]
"""γ [G], and values at it."""


def over_gamma(
    at: dict[str, tuple[np.ndarray, np.ndarray]], quadratic: Over, draws: Over, used: float
) -> Plot:
    """Returns medians over runs with quartiles of coefficients [S, G] over γ, a line per nβ, and beside them
    the loss of the draws at the first nβ.

    quadratic: what a quadratic loss with the spectrum of the Hessian gives there;  used: the γ that is marked
    """
    with style.settings():
        figure, grid = style.canvas(style.DOUBLE, 2.6, 1, 2)
        left, right = grid[0]
        for (name, (gammas, values)), colour in zip(at.items(), style.CYCLE, strict=False):
            middle, low, high = (np.nanquantile(values, share, axis=0) for share in (0.5, 0.25, 0.75))
            left.fill_between(gammas, low, high, color=colour, alpha=0.2, lw=0)
            left.plot(gammas, middle, "o-", ms=3, color=colour, label=f"nβ = {name}")
        left.plot(*quadratic, "k:", label="quadratic, by the Hessian")
        left.axvline(used, color="grey", ls="--", lw=0.8, label="the note's γ")
        left.set(xscale="log", yscale="log", xlabel="γ", ylabel="local learning coefficient")
        left.legend(frameon=False)
        right.plot(*draws, "o-", ms=3, color=style.CYCLE[0])
        right.set(xscale="log", yscale="log", xlabel="γ", ylabel="loss of the draws (nats)")
    rows = [
        (name, gamma, np.nanmedian(column))
        for name, (gammas, values) in at.items()
        for gamma, column in zip(gammas, values.T, strict=True)
    ]
    rows += [
        (name, *pair)
        for name, of in (("quadratic", quadratic), ("draws", draws))
        for pair in zip(*of, strict=True)
    ]
    series, gamma, value = (np.array(column) for column in zip(*rows, strict=True))
    return Plot(figure, {"series": series, "gamma": gamma, "value": value})


def steps_of_parts(
    steps: Float[np.ndarray, " E"],
    whole: Float[np.ndarray, "E S"],
    parts: dict[str, Float[np.ndarray, "E S"]],
    losses: dict[str, Float[np.ndarray, "S T"]],
    exits: Sequence[tuple[int, int]],
) -> Plot:
    """Returns coefficients over training: of the whole model a line per run, with its exits, (run, step), as
    triangles; medians over runs of its parts, each over its largest; beneath, the losses in nats by digit.
    """
    with style.settings():
        figure, grid = style.canvas(style.DOUBLE, 5.4, 3, 1, sharex=True)
        upper, middle, lower = grid[:, 0]
        for run in range(whole.shape[1]):
            colour = style.CYCLE[run % len(style.CYCLE)]
            upper.plot(steps, whole[:, run], color=colour, lw=0.9, label=f"run {run}")
            own = [step for one, step in exits if one == run]
            upper.plot(own, np.interp(own, steps, whole[:, run]), "v", ms=4, color=colour)
        for i, (name, values) in enumerate(parts.items()):
            largest = np.abs(np.nanmedian(values, 1)).max() or 1.0
            colour, line = style.CYCLE[i % len(style.CYCLE)], ("-", "--")[i // len(style.CYCLE) % 2]
            label = f"{name} ({largest:.3g})"
            middle.plot(steps, np.nanmedian(values, 1) / largest, line, color=colour, lw=0.9, label=label)
        for i, (name, curves) in enumerate(losses.items()):
            for run, curve in enumerate(curves):
                colour = style.CYCLE[i % len(style.CYCLE)]
                lower.plot(curve, color=colour, lw=0.5, alpha=0.7, label="" if run else name)
        upper.set_title("whole model; triangles: a shelf ends", loc="left")
        middle.set_title("parts, over their largest value (in brackets): medians over runs", loc="left")
        upper.set_ylabel("LLC")
        middle.set_ylabel("LLC / largest")
        lower.set(ylabel="loss (nats)", xlabel="step", yscale="log")
        for ax in (upper, middle, lower):
            ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    every = {f"run {run}": whole[:, run] for run in range(whole.shape[1])}
    every |= {name: np.nanmedian(values, 1) for name, values in parts.items()}
    names, rows = np.repeat(list(every), len(steps)), np.tile(steps, len(every))
    return Plot(figure, dict(series=names, step=rows, llc=np.concatenate(list(every.values()))))
