"""Detectors of shelves that ours is compared with, each with the number that does best on tuning curves."""

import functools
import sys
from collections.abc import Callable, Sequence

import numpy as np

from grokjax.curves import scoring, shelves, synthetic, synthetic_mixture
from grokjax.curves.detector import noise

TUNED_ON = range(100)
LEAST, STEEP = 40, 1.5  # steps of a segment, and noise deviations per 40 steps by which a level one may move
Detector = Callable[[np.ndarray], Sequence[scoring.Found]]


def detectors() -> dict[str, Detector]:
    """Ours and its rivals, each rival with the number that does best on the curves of `TUNED_ON`."""
    found: dict[str, Detector] = {
        "grokjax": shelves.find,
        "threshold": _tuned(threshold, (0.005, 0.01, 0.02, 0.04, 0.08)),
    }
    try:
        import ruptures  # noqa: F401  # an extra: without it the comparison has one rival less
    except ImportError:
        print(
            "ruptures is not installed (extra: test): compared with the threshold rule alone", file=sys.stderr
        )
        return found
    penalties = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
    return {
        **found,
        "ruptures": _tuned(mean_shifts, penalties),
        "ruptures, level": _tuned(level_mean_shifts, penalties),
    }


def _tuned(detector: Callable[..., Sequence[scoring.Found]], numbers: Sequence[float]) -> Detector:
    def quality(number: float) -> float:
        find = functools.partial(detector, number=number)
        score = scoring.score(find, synthetic_mixture.with_shelves, TUNED_ON)
        without = scoring.score(find, synthetic_mixture.without_shelves, TUNED_ON)
        return score.recall * score.precision * (1 - without.false / without.curves)

    return functools.partial(detector, number=max(numbers, key=quality))


def threshold(curve: np.ndarray, number: float) -> list[synthetic.Stretch]:
    """Where the means of the 20 steps before and after differ by less than `number` nats for 40 steps."""
    sums = np.concatenate([[0.0], np.cumsum(curve)])
    means = (sums[20:] - sums[:-20]) / 20
    quiet = np.concatenate(
        [np.zeros(20, bool), np.abs(means[20:] - means[:-20]) < number, np.zeros(20, bool)]
    )
    return _stretches(curve, np.flatnonzero(np.diff(quiet.astype(int))).reshape(-1, 2) + np.array([-9, 10]))


def mean_shifts(curve: np.ndarray, number: float) -> list[synthetic.Stretch]:
    """The segments between the mean shifts of ruptures, its penalty `number` noise variances times the
    logarithm of the steps.
    """
    import ruptures

    if len(curve) < LEAST:
        return []
    penalty = number * float(np.median(noise.deviation(curve))) ** 2 * np.log(len(curve))
    stops = ruptures.KernelCPD(kernel="linear", min_size=20).fit(curve).predict(pen=penalty)
    return _stretches(curve, np.stack([[0, *stops[:-1]], stops], 1))


def level_mean_shifts(curve: np.ndarray, number: float) -> list[synthetic.Stretch]:
    """Those of them whose fitted slope is below `STEEP` noise deviations per 40 steps."""
    deviation = noise.deviation(curve)
    slope = lambda s: np.polyfit(
        np.arange(s.first_step, s.last_step + 1), curve[s.first_step : s.last_step + 1], 1
    )[0]
    return [
        s
        for s in mean_shifts(curve, number)
        if abs(slope(s)) * 40 <= STEEP * deviation[s.first_step : s.last_step + 1].mean()
    ]


def _stretches(curve: np.ndarray, edges: np.ndarray) -> list[synthetic.Stretch]:
    return [
        synthetic.Stretch(float(curve[start:stop].mean()), int(start), int(stop) - 1)
        for start, stop in edges
        if stop - start >= LEAST
    ]
