"""How does the learning coefficient of every run of a sweep move over training?

    python -m experiments.bayes.llc DIRECTORY --epsilon=1e-5 --gamma=100

It takes any sweep directory, and every saved epoch of it or those of --epochs. Results lie in
DIRECTORY/bayes/NAME.npz, with the picture beside it; the same command goes on where it was stopped.
--components measures every embedding, head, MLP and the unembedding by itself instead of the whole model.

Time: a chain-step is a step of training on the same examples, and its normal numbers.
"""

import functools
import pathlib
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from rich.console import Console

from experiments.bayes import data, measured, pictures
from grokjax import checkpoints
from grokjax.cli import machine
from grokjax.interp import llc
from grokjax.interp.bayes import masks
from grokjax.interp.bayes.estimates import MIXED
from grokjax.run import Run

KEPT = {
    "mean": ((), ""),
    "standard_error": ((), ""),
    "chains": (("chain",), ""),
    "masked": ((), "share of chains"),
    "baseline": ((), "nats"),
    "r_hat": ((), ""),
    "effective_sample_size": ((), "draws"),
    "acceptance": (("chain",), "probability"),
    "epsilon": ((), ""),
    "nbeta": ((), ""),
    "gamma": ((), ""),
    "num_examples": ((), "examples"),
    "num_burn_in": ((), "steps"),
    "draw_every": ((), "steps"),
    "trace": (("chain", "draw"), "nats"),
    "burn_in_trace": (("chain", "step"), "nats"),
}
"""What is kept of an estimate: the axes behind epoch and run (and part), and the unit."""


def main(argv: list[str]) -> int:
    """Measure, write the results and the picture, and say what speaks against them; the exit status."""
    machine.set_up()
    parser = data.parser(__doc__ or "")
    parser.add_argument("--epsilon", type=float, required=True, help="step size of the chains")
    parser.add_argument("--gamma", type=float, default=100.0, help="localisation")
    parser.add_argument("--nbeta", type=float, default=None, help="n/ln n if not given")
    parser.add_argument("--epochs", default=None, help="as 0,10,20; every saved one if not given")
    parser.add_argument("--components", action="store_true", help="restricted to each part of the model")
    parser.add_argument("--block", type=int, default=8, help="runs to a file")
    parser.add_argument(
        "--at_once", type=int, default=1, help="runs side by side on a device, with all chains"
    )
    options = parser.parse_args(argv)
    console = Console()
    try:
        sweep = checkpoints.open_sweep(options.directory)
        path = measure(sweep, options, console)
    except (ValueError, OSError) as error:
        print(f"llc: {error}", file=sys.stderr)
        return 1
    console.print(f"results in {path}, picture in {path.with_suffix('.png')}", highlight=False)
    return 0


def measure(sweep: checkpoints.Sweep, options: Any, console: Console) -> pathlib.Path:
    """Measure all epochs and runs, and write them with the picture; the path of the results."""
    epochs = sweep.epochs if options.epochs is None else [int(part) for part in options.epochs.split(",")]
    batch, rows = data.of_runs(sweep, options.data, options.examples)
    name = options.name or ("llc_components" if options.components else "llc")
    folder = sweep.directory / "bayes"
    ignored = ("directory", "epochs", "name", "block")
    settings = {k: v for k, v in vars(options).items() if k not in ignored} | {"block": options.block}
    if options.block % options.at_once:
        raise ValueError(f"--block={options.block} must be a multiple of --at_once={options.at_once}")
    found = measured.over_training(
        sweep,
        functools.partial(estimated, options=options, batch=batch),
        rows,
        epochs=epochs,
        folder=folder / name,
        settings=settings,
        block=options.block,
        at_once=options.at_once,
        console=console,
    )
    steps = np.array([sweep.steps(epoch) for epoch in epochs])
    measured.write(folder / f"{name}.npz", variables(found, np.array(epochs), steps, options.components))
    trusted = (found["masked"] == 0) & (found["r_hat"] <= MIXED)
    report(found, trusted, console)
    if not options.components:
        plot = pictures.over_training(steps, found["mean"], found["standard_error"], losses(sweep), trusted)
        plot.save(folder / name)
    return folder / f"{name}.npz"


def estimated(run: Run, rows: Any, *, options: Any, batch: Any) -> dict[str, Any]:
    """What is kept of the estimate of one run, on its rows of the batch."""
    own = jax.tree.map(lambda x: x[rows], batch)
    decay = data.decay(options.weight_decay, run, own)
    make = functools.partial(
        llc.of,
        run,
        own,
        key=random.key(options.seed),
        epsilon=options.epsilon,
        gamma=options.gamma,
        nbeta=options.nbeta,
        batch_size=options.batch_size,
        weight_decay=decay,
        sampler=data.SAMPLERS[options.sampler],
        num_chains=options.chains,
        num_draws=options.draws,
        num_burn_in=options.burn_in,
        draw_every=options.draw_every,
        chains_at_once=None if options.at_once == 1 else options.chains,
    )
    if not options.components:
        return {name: value for name, value in make()._asdict().items() if name in KEPT}
    parts = masks.components(run.params)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts.values())
    found = jax.lax.map(lambda mask: make(mask=mask), stacked)
    return {name: value for name, value in found._asdict().items() if name in KEPT}


def variables(
    found: dict[str, np.ndarray], epochs: np.ndarray, steps: np.ndarray, components: bool
) -> dict[str, measured.Variable]:
    """The results with their axes and units."""
    shared = ("epoch", "run", "part") if components else ("epoch", "run")
    return {
        "epoch": (("epoch",), epochs, {"unit": "epochs"}),
        "step": (("epoch",), steps, {"unit": "optimiser steps"}),
        **{name: ((*shared, *axes), found[name], {"unit": unit}) for name, (axes, unit) in KEPT.items()},
    }


def losses(sweep: checkpoints.Sweep) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Training and test losses of every run, where they were recorded: (steps, [S, T])."""
    found, recorded = {}, sweep.metrics
    train = np.asarray(recorded["loss"]).mean(-1)
    found["training"] = (np.arange(train.shape[1]), train)
    if len(at := np.asarray(recorded["test_step"])):
        found["test"] = (at, np.asarray(recorded["test_loss"]).mean(-1))
    return found


def report(found: dict[str, np.ndarray], trusted: np.ndarray, console: Console) -> None:
    """Say how many estimates can be trusted, and what speaks against the others."""
    mean, number = found["mean"], found["mean"].size
    lines = [f"{int(trusted.sum())} of {number} estimates have chains that mixed (R-hat at most {MIXED})"]
    for count, words in (
        (int((found["masked"] > 0).sum()), "have diverged chains: try a smaller --epsilon"),
        (
            int((found["r_hat"] > MIXED).sum()),
            "have not mixed: try more --burn_in, a larger --epsilon or --gamma",
        ),
        (int((mean < 0).sum()), "are negative: w* is no minimum of this loss; try --weight_decay=balancing"),
    ):
        if count:
            lines.append(f"{count} {words}")
    console.print("\n".join(lines), highlight=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
