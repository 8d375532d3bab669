"""Which ε, nβ and γ give a learning coefficient that does not depend on them?

    python -m experiments.bayes.calibrate DIRECTORY --run=0 --epoch=-1

It estimates the coefficient on a grid for one run, --epsilon=1e-6,1e-5,... --gamma=1,10,100,1000
--nbeta=default or numbers, marks the plateau of every (nβ, γ) along ε, and says where there is none. Beside
each stands what the Hessian's spectrum gives at the same nβ and γ. Picture and numbers lie in
DIRECTORY/bayes/NAME.png and .csv, the chains of one cell in NAME_traces.png.

Time: the cells of the grid, one after the other; see experiments.bayes.llc.
"""

import sys
from typing import Any

import jax
import numpy as np
from jax import random
from rich.console import Console
from rich.table import Table

from experiments.bayes import data, pictures
from grokjax import checkpoints
from grokjax.cli import machine
from grokjax.interp import llc
from grokjax.interp.bayes import calibration, hessian
from grokjax.mapping import map_runs


def main(argv: list[str]) -> int:
    """Estimate the grid, print the plateaus and draw them; the exit status."""
    machine.set_up()
    parser = data.parser(__doc__ or "")
    parser.add_argument("--run", type=int, default=0)
    parser.add_argument("--epoch", type=int, default=-1, help="-1 is the last one saved")
    parser.add_argument("--epsilon", type=numbers, default=numbers("1e-6,3e-6,1e-5,3e-5,1e-4,3e-4"))
    parser.add_argument("--gamma", type=numbers, default=numbers("1,10,100,1000"))
    parser.add_argument("--nbeta", default="default", help="default (n/ln n), or numbers")
    parser.add_argument("--lanczos", type=int, default=64, help="steps of Lanczos for the spectrum")
    options = parser.parse_args(argv)
    console = Console()
    try:
        measure(checkpoints.open_sweep(options.directory), options, console)
    except (ValueError, OSError) as error:
        print(f"calibrate: {error}", file=sys.stderr)
        return 1
    return 0


def numbers(text: str) -> list[float]:
    """Numbers that commas separate, ascending."""
    return sorted(float(part) for part in text.split(","))


def measure(sweep: checkpoints.Sweep, options: Any, console: Console) -> None:
    """The grid of one run, its plateaus, and what a quadratic gives."""
    batch, rows = data.of_runs(sweep, options.data, options.examples)
    own, run = jax.tree.map(lambda x: x[rows[options.run]], batch), sweep.run(options.run, options.epoch)
    run = jax.tree.map(jax.numpy.asarray, run)
    decay = data.decay(options.weight_decay, run, own)
    size = len(own.tokens)
    nbeta = [llc.inverse_temperature(size)] if options.nbeta == "default" else numbers(options.nbeta)

    def estimate(epsilon: Any, nbeta: Any, gamma: Any) -> Any:
        return llc.of(
            run,
            own,
            key=random.key(options.seed),
            epsilon=epsilon,
            nbeta=nbeta,
            gamma=gamma,
            batch_size=options.batch_size,
            weight_decay=decay,
            sampler=data.SAMPLERS[options.sampler],
            num_chains=options.chains,
            num_draws=options.draws,
            num_burn_in=options.burn_in,
            draw_every=options.draw_every,
        )

    axes = np.meshgrid(*map(np.float32, (options.epsilon, nbeta, options.gamma)), indexing="ij")
    found = map_runs(estimate)(*(axis.ravel() for axis in axes))
    grid = jax.tree.map(lambda x: x.reshape(*axes[0].shape, *x.shape[1:]), found)
    spectrum = jax.jit(
        lambda: hessian.of_large(run, own, key=random.key(1), num_steps=options.lanczos, weight_decay=decay)
    )()
    plateaus = calibration.choose(grid)
    console.print(table(grid, plateaus, spectrum))
    for found in calibration.along_gamma(grid)[len(options.epsilon) // 2]:
        console.print(f"along γ, at the middle ε: {found.reason}", highlight=False)
    path = sweep.directory / "bayes" / (options.name or "calibration")
    pictures.calibration(grid, plateaus).save(path)
    pictures.traces(shown(grid, plateaus)).save(path.with_name(f"{path.name}_traces"))
    console.print(f"pictures in {path}.png and {path}_traces.png, numbers in .csv", highlight=False)


def shown(grid: Any, plateaus: list[list[calibration.Plateau]]) -> Any:
    """The estimate whose chains are drawn: in the middle of the first plateau, else of the grid."""
    found = [(one.chosen, i, j) for i, row in enumerate(plateaus) for j, one in enumerate(row) if one.found]
    cell = found[0] if found else tuple(size // 2 for size in grid.mean.shape)
    return jax.tree.map(lambda x: x[cell], grid)


def table(grid: Any, plateaus: list[list[calibration.Plateau]], spectrum: hessian.Spectrum) -> Table:
    """The plateau of every (nβ, γ), beside what a quadratic gives there."""
    shown = Table("nβ", "γ", "ε", "estimate", "quadratic", "along ε")
    for i, row in enumerate(plateaus):
        for j, found in enumerate(row):
            nbeta, gamma = float(grid.nbeta[0, i, j]), float(grid.gamma[0, i, j])
            exact = hessian.gaussian(spectrum, nbeta=nbeta, gamma=gamma)
            k = found.chosen
            chosen = (
                (
                    f"{grid.epsilon[k, i, j]:.2g}",
                    f"{grid.mean[k, i, j]:.4g} ± {grid.standard_error[k, i, j]:.2g}",
                )
                if found.found
                else ("", "")
            )
            quadratic = f"{float(exact.value):.4g} ± {float(exact.standard_error):.2g}"
            shown.add_row(f"{nbeta:.4g}", f"{gamma:g}", *chosen, quadratic, found.reason)
    return shown


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
