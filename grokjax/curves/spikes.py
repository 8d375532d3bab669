"""Loss spikes of one run: where they are, which tensor left its band first, and what leads what."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

_NORMAL = float(1 / stats.norm.ppf(0.75))  # the standard deviation of normal noise over its median deviation


class Spike(NamedTuple):
    """A burst of the loss: its first step, the step of its peak, and the first step that is back.

    `level` is the loss before it and `height` how far the peak lies above that, both in nats.
    """

    start: int
    peak: int
    stop: int
    level: float
    height: float


class Exit(NamedTuple):
    """A tensor that left its band before or in a spike.

    `step` is when, `lead` how many steps before the spike's start, `deviations` how many standard deviations.
    """

    name: str
    step: int
    lead: int
    deviations: float


def find(
    curve: Float[np.ndarray, " T"],
    *,
    times: float = 6.0,
    least: float = 1.5,
    window: int = 100,
    longest: int = 500,
) -> list[Spike]:
    """Returns the spikes of one loss curve (nats) in order of time; steps are indices.

    A spike begins where the loss exceeds the median of the `window` steps before it `times` standard
    deviations and `least`-fold, both judged on the logarithm, and ends when it is back within two deviations.
    What has not come back after `longest` steps is another level, no spike; a descent is none, since the
    median lags above it. The first `window` // 2 steps are not judged.
    """
    curve = np.asarray(curve, np.float64)
    if curve.ndim != 1 or window < 4 or not least > 1:
        raise ValueError(
            f"curve has shape {curve.shape}, window={window}, least={least};"
            " they must be [T], at least 4, and above 1"
        )
    broken = np.flatnonzero(~np.isfinite(curve))
    logs, found, step = (
        np.log(np.maximum(curve[: broken[0] if len(broken) else None], 1e-30)),
        [],
        window // 2,
    )
    while step < len(logs):
        middle, sigma = _band(logs[max(0, step - window) : step])
        if logs[step] - middle <= max(times * sigma, np.log(least)):
            step += 1
            continue
        back = np.flatnonzero(logs[step : step + longest] <= middle + max(2 * sigma, np.log(least) / 4))
        ended = step + int(back[0]) if len(back) else min(step + longest, len(logs))
        if len(back) or ended == len(logs):
            peak = step + int(np.argmax(logs[step:ended]))
            found.append(Spike(step, peak, ended, float(np.exp(middle)), float(curve[peak] - np.exp(middle))))
        step = ended + (0 if len(back) else window)
    return found


def exits(
    norms: Mapping[str, Float[np.ndarray, " T"]],
    spike: Spike,
    *,
    times: float = 5.0,
    lead: int = 50,
    window: int = 200,
    hold: int = 2,
) -> list[Exit]:
    """Returns the tensors whose norm left its band before or in a spike, the first to leave first.

    A norm is any positive curve: of a gradient, an update, the root of a second moment. The band of ln norm
    is its median ± `times` robust standard deviations over the `window` steps that end `lead` steps before
    the spike's start. To leave it is to be outside for `hold` steps in a row, between there and the peak.
    """
    first = spike.start - lead
    if first < 8:
        raise ValueError(
            f"the spike starts at step {spike.start}:"
            f" less than 8 steps are left for the bands, {lead} before it"
        )
    found = []
    for name, curve in norms.items():
        logs = np.log(np.maximum(np.asarray(curve, np.float64), 1e-30))
        middle, sigma = _band(logs[max(0, first - window) : first])
        away = np.abs(logs[first : spike.peak + hold] - middle) / max(sigma, 1e-6)
        outside = np.convolve(away > times, np.ones(hold), "valid") == hold
        if outside.any():
            at = int(np.argmax(outside))
            found.append(Exit(name, first + at, lead - at, float(away[at])))
    return sorted(found, key=lambda exit: (exit.step, -exit.deviations))


def lead_lag(
    x: Float[np.ndarray, " T"], y: Float[np.ndarray, " T"], *, most: int = 20
) -> Float[np.ndarray, " lags"]:
    """Returns the correlations of the changes of ln x with those of ln y `lag` steps later.

    The lags are −most … most; a peak at a lag above 0 says that x leads.
    """
    dx, dy = (np.diff(np.log(np.maximum(np.asarray(values, np.float64), 1e-30))) for values in (x, y))
    if len(dx) != len(dy) or len(dx) < most + 3:
        raise ValueError(
            f"the curves have {len(dx) + 1} and {len(dy) + 1} steps;"
            f" they must have as many, and more than most={most} + 3"
        )
    pairs = [
        (dx[: len(dx) - lag], dy[lag:]) if lag >= 0 else (dx[-lag:], dy[:lag])
        for lag in range(-most, most + 1)
    ]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.array([np.corrcoef(*pair)[0, 1] for pair in pairs])


def _band(values):
    """Median and robust standard deviation about it."""
    middle = float(np.median(values))
    # scipy's median_abs_deviation takes five times as long, and this runs at every step.
    return middle, float(np.median(np.abs(values - middle))) * _NORMAL
