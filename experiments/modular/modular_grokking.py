"""How does a run come to grok modular addition: in which phases, by which frequencies, in how many drops?

    python -m experiments.modular.modular_grokking

The preset of Nanda et al. (arXiv:2301.05217), their progress measures at --snapshots 48 saved epochs of every
run, over seeds. The key frequencies of a run are those of its last epoch.

--modulus 113, --d_model 128, --seeds 2, --steps 12000 full-batch steps on --percent 30 of the table.
More --seeds or --steps go on from what is there; --modulus=31 --d_model=64 --percent=50 runs in minutes.

The rules, all laid down before a run was seen:
  key frequency: at least 1% of the neurons have half of their variance or more in it
  memorised: the first step with a training loss below .01 nats
  formed: the first saved epoch after that at which the training loss without the key frequencies (excluded
    loss) is 1 nat or more
  grokked: the first step with a test loss below .01 nats; a run that has not by the last step is "> T"
  phases in order: memorised before formed before grokked
  drop: a fall of the test loss by a factor of 2 or more within a twentieth of the steps, above .01 nats
  another algorithm at a drop: a key frequency comes or goes there, or gradient symmetricity moves by .2

Time: 20 minutes on two cores of their own; GPU: not measured.
Found: not yet run at this size.
"""

import sys
from typing import Any, NamedTuple

import numpy as np

import grokjax as gj
from experiments.frame import study
from experiments.frame.finding import Answer, Finding, counted, said
from experiments.frame.study import Setting, Study
from grokjax import figures
from grokjax.checkpoints import Sweep
from grokjax.curves import drops, statistics
from grokjax.interp.modular import grid, pizza, progress
from grokjax.run import Run

DEFAULTS: dict[str, Setting] = {
    "modulus": 113,
    "d_model": 128,
    "percent": 30,
    "seeds": 2,
    "steps": 12000,
    "snapshots": 48,
}
SMALL: dict[str, Setting] = {
    "modulus": 7,
    "d_model": 8,
    "percent": 50,
    "seeds": 2,
    "steps": 60,
    "snapshots": 2,
}
SOLVED = 0.01
"""Nats below which a loss counts as solved."""
FORMED = 1.0
"""Nats of the excluded loss from which on the key frequencies carry the training set."""
SHARE, NEURONS = 0.5, 0.01
"""Of a neuron's variance, and of the neurons, that make a frequency a key one."""
MOVED = 0.2
"""Of the gradient symmetricity, at a drop."""
ENOUGH = 16
"""Seeds."""


class Events(NamedTuple):
    """When each phase of every run ends (steps)."""

    memorised: statistics.Times
    formed: statistics.Times
    grokked: statistics.Times

    @property
    def known(self) -> np.ndarray:
        """The runs in which all three happened, [S]."""
        return self.memorised.ended & self.formed.ended & self.grokked.ended

    @property
    def in_order(self) -> np.ndarray:
        """Those of them in which they happened in this order, [S]."""
        return self.known & (self.memorised.time < self.formed.time) & (self.formed.time < self.grokked.time)


class Fall(NamedTuple):
    """A drop of the test loss: what was there at the saved epochs around it.

    came, went: frequencies that are key after it and not before, and the other way round
    symmetricity: the gradient symmetricity before and after
    """

    drop: drops.Drop
    came: list[int]
    went: list[int]
    symmetricity: tuple[float, float]

    @property
    def other(self) -> bool:
        """Whether another algorithm is there after it."""
        return bool(self.came or self.went or abs(self.symmetricity[1] - self.symmetricity[0]) >= MOVED)


def measure(this: Study) -> Finding:
    """The measures of every saved epoch of every run, the phases and the drops."""
    found = this.sweep(
        "nanda",
        task="modular",
        preset="nanda",
        modulus=this["modulus"],
        d_model=this["d_model"],
        train_fraction=this["percent"] / 100,
        save=f"every:{max(1, this['steps'] // 50 // this['snapshots'])}",
    )
    steps = np.array([found.steps(epoch) for epoch in found.epochs])
    seen = measured(found)
    happened = events(found, steps, seen["excluded"])
    fallen = [falls(this, found, steps, seen, run) for run in range(len(found))]
    return Finding(
        task=f"modular addition, modulus {this['modulus']}, {this['percent']}% of the table",
        seeds=this.seeds,
        size=f"1 layer, width {this['d_model']}, 4 heads, decay 1, rate .001, full batch, {this['steps']} "
        "steps",
        answers=answers(this, happened, fallen),
        numbers=numbers(found, steps, seen, happened, fallen),
        plot=picture(found, steps, seen, happened),
    )


def measured(found: Sweep) -> dict[str, np.ndarray]:
    """The measures by name, [S, E] or [S, E, F], of all runs at all saved epochs, in one call for each."""
    train = grid.training_rows(found.runs())
    last = gj.map_epochs(found, at_end, [-1])[0]
    seen = gj.map_epochs(found, of_epoch, own=[train, last])
    return {name: np.moveaxis(np.asarray(values), 0, 1) for name, values in seen.items()} | {"last": last}


def keys(clusters: progress.Clusters) -> Any:
    """Which frequencies are key, [F]."""
    return clusters.counts_above >= max(1, round(NEURONS * len(clusters.share)))


def at_end(run: Run) -> Any:
    """The key frequencies of a trained run."""
    return keys(progress.clusters(run, threshold=SHARE))


def of_epoch(run: Run, train: Any, last: Any) -> dict[str, Any]:
    """The measures of a run at one epoch, given the key frequencies of its end."""
    found = progress.measures(run, train, threshold=SHARE, keys=last)
    return dict(
        restricted=found.restricted_loss,
        excluded=found.excluded_loss,
        squares=found.sum_of_squares,
        coefficients=found.coefficients,
        key=keys(found.clusters),
        gini_W_E=progress.gini_of_embedding(run),
        gini_W_L=progress.gini_of_logit_weights(run),
        symmetricity=pizza.gradient_symmetricity_sample(run).mean,
    )


def events(found: Sweep, steps: np.ndarray, excluded: np.ndarray) -> Events:
    """The three events; one that has not happened by the last step is censored there."""
    train, test = (found.metrics[name][..., 0] for name in ("loss", "test_loss"))
    memorised = statistics.until_below(train, SOLVED, smoothing=1)
    late = (steps > memorised.time[:, None]) & memorised.ended[:, None] & (excluded >= FORMED)
    formed = statistics.Times(
        np.where(late.any(1), steps[late.argmax(1)], steps[-1]).astype(float), late.any(1)
    )
    at = found.metrics["test_step"]
    return Events(memorised, formed, statistics.until_below(test, SOLVED, steps=at, smoothing=1))


def falls(this: Study, found: Sweep, steps: np.ndarray, seen: dict[str, np.ndarray], run: int) -> list[Fall]:
    """The drops of a run, with the key frequencies and the symmetricity around each."""
    test, at = found.metrics["test_loss"][run, :, 0], found.metrics["test_step"]
    result = []
    for drop in drops.drops(test, window=max(1, this["steps"] // 20), floor=SOLVED, steps=at):
        before = max(int(np.searchsorted(steps, drop.first, "right")) - 1, 0)
        after = min(int(np.searchsorted(steps, drop.last)), len(steps) - 1)
        key, symmetricity = seen["key"][run], seen["symmetricity"][run]
        new, old = (np.flatnonzero(key[a] & ~key[b]) for a, b in ((after, before), (before, after)))
        moved = float(symmetricity[before]), float(symmetricity[after])
        result.append(Fall(drop, (new + 1).tolist(), (old + 1).tolist(), moved))
    return result


def majority(successes: int, runs: int, more: str) -> str:
    """Confirmed or refuted where Wilson's interval of a share lies above or below one half."""
    share = statistics.wilson(successes, runs)
    if share.low is None or share.high is None:
        return f"open: no run tells; {more} would settle it"
    if share.low > 0.5:
        return "confirmed"
    return "refuted" if share.high < 0.5 else f"open: the interval holds one half; {more} would settle it"


def answers(this: Study, happened: Events, fallen: list[list[Fall]]) -> list[Answer]:
    """What the notes ask of single runs, over seeds."""
    runs, grokked, steps = len(fallen), happened.grokked, this["steps"]
    ordered, known = int(happened.in_order.sum()), int(happened.known.sum())
    several = sum(len(each) > 1 for each in fallen)
    other = sum(any(fall.other for fall in each[1:]) for each in fallen)
    more = f"--seeds={ENOUGH}"
    some = int(grokked.ended.sum())
    split = "confirmed" if 0 < some < runs else "refuted: all alike"
    return [
        Answer(
            "000-03",
            "mod 113 on 30% of pairs, grokking late",
            f"runs with memorising (training loss < {SOLVED}), forming (excluded loss ≥ {FORMED:g}) and "
            f"grokking (test loss < {SOLVED}) in this order, of those with all three; median step of each",
            f"{counted(ordered, known)}; {'; '.join(when(each, steps) for each in happened)}",
            majority(ordered, known, more),
        ),
        Answer(
            "003-16",
            '30%: "grokking for some … not dropping for others"',
            f'runs that have grokked by step {steps}; the others are "> {steps}"',
            counted(some, runs),
            split if runs >= ENOUGH else f"open: {more} would settle it",
        ),
        Answer(
            "003-18",
            '"Maybe it learns multiple different algorithms as time passes?"',
            "runs in which a later drop of the test loss than the first changes the key frequencies, or the "
            f"gradient symmetricity by {MOVED}",
            counted(other, runs),
            majority(other, runs, more),
        ),
        Answer(
            "003-19",
            '"not a one-off thing, it happened multiple times"',
            f"runs with two drops of the test loss or more by step {steps}; drops of each run",
            f"{counted(several, runs)}; {', '.join(str(len(each)) for each in fallen)}",
            majority(several, runs, more),
        ),
    ]


def when(times: statistics.Times, steps: int) -> str:
    """The median step in words; where fewer than half of the runs got there it lies after the last step."""
    return said(times.median, ".0f") if times.median.value is not None else f"> {steps}"


def numbers(
    found: Sweep, steps: np.ndarray, seen: dict[str, np.ndarray], happened: Events, fallen: list[list[Fall]]
) -> dict[str, Any]:
    """Of every run its events (null: not by the last step), key frequencies, drops, and measures then."""
    at = lambda times: np.where(times.ended, times.time, np.nan)
    place = np.searchsorted(steps, happened.formed.time).clip(0, len(steps) - 1)
    runs, test = np.arange(len(found)), found.metrics["test_loss"][..., 0]
    return dict(
        {name: at(times) for name, times in happened._asdict().items()},
        last_step=int(steps[-1]),
        key_frequencies=[(np.flatnonzero(key) + 1).tolist() for key in seen["last"]],
        final_test_loss=test[:, -1],
        least_training_loss=found.metrics["loss"][..., 0].min(1),
        squares_at_formed_and_end=np.stack([seen["squares"][runs, place], seen["squares"][:, -1]], 1),
        gini_W_E_at_start_and_end=seen["gini_W_E"][:, [0, -1]],
        drops=[[dict(fall._asdict(), drop=list(fall.drop)) for fall in each] for each in fallen],
    )


def picture(found: Sweep, steps: np.ndarray, seen: dict[str, np.ndarray], happened: Events) -> figures.Plot:
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


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
