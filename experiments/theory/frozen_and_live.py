"""The final losses of frozen and live attention beside the bound of additive logits, for `no_mlp`."""

import math
from typing import Any, NamedTuple

import numpy as np

from experiments.frame.measured import Measured, exact, mean, share
from experiments.frame.result import Result
from experiments.frame.study import Study
from grokjax import figures
from grokjax.curves import statistics

KINDS = {"frozen": "positional", "live": "live"}
LAST = 100
"""The last steps, whose mean loss is a run's final one."""
ORDERS = {"lsb": "units first", "msb": "most significant first"}
BELOW = 0.95
"""A level is left where the loss (median of 11 steps) is below this share of it."""


class Final(NamedTuple):
    """The final losses of one digit in one mode: frozen and live [S], and the bound of additive logits."""

    mode: str
    digit: int
    bound: float
    frozen: np.ndarray
    live: np.ndarray


def finals(this: Study, label: str, places: dict[int, int], **options: Any) -> list[Final]:
    """The final losses of some digits, by their columns in the metrics."""
    size = dict(
        digits=this["digits"],
        d_model=this["d_model"],
        num_heads=this["heads"],
        mlp=False,
        batch=this["batch"],
        weight_decay=0,
        epoch_steps=100,
    )
    loss = {
        kind: this.sweep(f"{label}_{kind}", attention=attention, **(size | options)).metrics["loss"]
        for kind, attention in KINDS.items()
    }
    mode = "single mode" if "mode" in options else f"sequence mode, {ORDERS[options['order']]}"
    last = {kind: curves[:, -LAST:].mean(1) for kind, curves in loss.items()}
    return [
        Final(
            mode,
            digit,
            bound(this["digits"], digit, mode),
            last["frozen"][:, column],
            last["live"][:, column],
        )
        for digit, column in places.items()
    ]


def bound(n: int, digit: int, mode: str) -> float:
    """The least loss of additive logits: ln 10 by the proposition of `theory.experts`, or 0 by the
    construction of `theory.thresholds`.
    """
    return 0.0 if digit == n or mode == f"sequence mode, {ORDERS['msb']}" else math.log(10)


def series(found: dict[Any, Final]) -> dict[str, figures.Points]:
    """The final losses of every run by what the keys say (digits, heads), and the bounds over them."""
    at, each = [str(key) for key in found], list(found.values())
    return {
        "frozen attention, each run": figures.Points.of_runs(at, [one.frozen for one in each]),
        "live attention, each run": figures.Points.of_runs(at, [one.live for one in each]),
        "additive bound": figures.Points(at, [(one.bound, None, None) for one in each]),
    }


def with_heads(this: Study, tens: Final) -> dict[int, Final]:
    """The tens of single mode by the number of heads: those of --few_heads, and `tens` of --heads."""
    few = {
        heads: finals(
            this,
            f"single_{tens.digit}_{heads}",
            {tens.digit: 0},
            mode="single",
            digit=tens.digit,
            num_heads=heads,
        )[0]
        for heads in this["few_heads"]
    }
    return few | {this["heads"]: tens}


def row(one: Final) -> dict[str, Any]:
    """The numbers of a digit."""
    return dict(
        mode=one.mode,
        digit=one.digit,
        bound=one.bound,
        frozen=statistics.mean(one.frozen.tolist()),
        live=statistics.mean(one.live.tolist()),
    )


def on_runs(found: list[Final], by_heads: dict[int, Final]) -> list[Result]:
    """Frozen runs obey the bound, live ones need not."""
    frozen = np.concatenate([one.frozen for one in found if one.bound > 0])
    obeyed = float(frozen.min()) > math.log(10) - 0.02
    return [bounded(found, frozen, obeyed), content(found, by_heads, frozen, obeyed)]


def by_digit(kind: str, found: list[Final]) -> dict[str, Measured]:
    """The final losses of one kind of attention, a row for each digit and mode."""
    return {
        f"{kind}_{i}": mean(f"{kind} attention, {one.mode}, digit {one.digit}", getattr(one, kind), "nats")
        for i, one in enumerate(found)
    }


def bounded(found: list[Final], frozen: np.ndarray, obeyed: bool) -> Result:
    """004-03."""
    return Result(
        "004-03",
        "Trained with frozen attention, no run goes below ln 10 where its bound is ln 10: the lowest "
        "ends at {least}.",
        dict(
            least=exact(
                f"lowest final loss of {frozen.size} runs where the bound is ln 10", float(frozen.min())
            ),
            **by_digit("frozen", [one for one in found if one.bound == 0]),
        ),
        "Built if no run ends more than .02 nats below the proven bound (the noise of 100 batches).",
        "built: python -m experiments.theory.no_mlp"
        if obeyed
        else "open: a run is below the proven bound; an exact evaluation of that run would tell",
    )


def of_heads(by_heads: dict[int, Final]) -> dict[str, Measured]:
    """How many runs with so many heads leave the bound on the tens, and where they end, frozen and live."""
    rows: dict[str, Measured] = {}
    for heads, one in by_heads.items():
        name = f"{heads} head{'s' * (heads > 1)}, single mode, digit {one.digit}"
        left = int((one.live < BELOW * math.log(10)).sum())
        rows |= {
            f"left_{heads}": share(f"live runs that leave ln 10, {name}", left, len(one.live)),
            f"lives_{heads}": mean(f"live attention, {name}", one.live, "nats"),
            f"stays_{heads}": mean(f"frozen attention, {name}", one.frozen, "nats"),
        }
    return rows


def content(found: list[Final], by_heads: dict[int, Final], frozen: np.ndarray, obeyed: bool) -> Result:
    """004-15."""
    bites = [one for one in found if one.bound > 0]
    live = np.stack([one.live for one in bites])
    # a run counts once: it has left the bound if it has in every mode and digit
    left = np.asarray((live < BELOW * math.log(10)).all(0))
    return Result(
        "004-15",
        "Without an MLP, attention that ignores content stays at {least} wherever sums over tokens know "
        "nothing; attention that sees content goes below in {left}.",
        dict(
            left=share("runs that leave ln 10 for every digit and order", int(left.sum()), len(left)),
            least=mean(
                "frozen attention, where additive logits are bound to ln 10",
                np.reshape(frozen, (-1, len(left))).mean(0),
                "nats",
            ),
            **by_digit("live", bites),
            **of_heads(by_heads),
        ),
        f"Confirmed if frozen runs stay within .02 nats of ln 10 and more than half of the live ones "
        f"end below "
        f"{BELOW} ln 10 in every mode.",
        "confirmed"
        if left.mean() > 0.5 and obeyed
        else "open: live attention does not leave ln 10 in every mode; more steps would tell",
    )
