"""How many chain-steps a second, against devinterp, and do both give the same coefficient?

    python -m experiments.bayes.llc_benchmark DIRECTORY --json llc_benchmark.json

A run of a sweep of modular arithmetic, its training set and the same settings for both: SGLD, --epsilon,
--gamma, nβ = n/ln n, --chains chains of --burn_in steps and --draws, gradients of --batch_size examples.
devinterp (the `benchmark` extra; `sgmcmc_sgld`) takes the model ported to PyTorch, one chain after another,
with its threads on all cores; grokjax takes as many copies of the run as there are devices. They are timed in
turns, --rounds times, after an untimed turn each. Then the parts of a chain-step of each are timed alone: the
gradient, the normal numbers, and the rest.

Time: measured in the result.
"""

import argparse
import functools
import json
import logging
import os
import pathlib
import sys
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import random

from experiments.bayes import data
from experiments.benchmarks import machine as processor
from experiments.benchmarks.measuring import in_turns, ratios, seconds, summary
from grokjax import checkpoints, trees
from grokjax.cli import machine
from grokjax.interp import langevin, llc
from grokjax.mapping import map_runs
from grokjax.run import Run


def main(argv: list[str]) -> int:
    """Measure, print and write; the exit status."""
    machine.set_up()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("directory", help="of a sweep of modular arithmetic")
    add("--run", type=int, default=0)
    add("--epoch", type=int, default=-1, help="-1 is the last one saved")
    add("--epsilon", type=float, default=1e-4)
    add("--gamma", type=float, default=1000.0)
    add("--chains", type=int, default=4)
    add("--draws", type=int, default=100, help="of a chain")
    add("--burn_in", type=int, default=100, help="steps before the first draw")
    add("--batch_size", type=int, default=256, help="examples of a step's gradient")
    add("--rounds", type=int, default=5)
    add("--json", default=None, help="where the numbers are written")
    options = parser.parse_args(argv)
    try:
        found = measure(checkpoints.open_sweep(options.directory), options)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(f"llc_benchmark: {error}", file=sys.stderr)
        return 1
    text = json.dumps(found, indent=1)
    print(text)
    if options.json:
        pathlib.Path(options.json).write_text(text + "\n")
    return 0


def measure(sweep: checkpoints.Sweep, options: Any) -> dict[str, Any]:
    """Rates of both, their ratio round by round, both estimates, and the profile of a chain-step of each."""
    batch, rows = data.of_runs(sweep, "train", 1)
    own = jax.tree.map(lambda x: np.asarray(x)[rows[options.run]], batch)
    run = sweep.run(options.run, options.epoch)
    steps = options.chains * (options.draws + options.burn_in)
    estimates: dict[str, tuple[float, float]] = {}

    ours, theirs = of_grokjax(run, own, options), of_devinterp(run, own, options)

    def rate(name: str, action: Callable[[], tuple[float, float]], copies: int) -> Callable[[], float]:
        def sample() -> float:
            took = seconds(lambda: estimates.__setitem__(name, action()))
            return copies * steps / took

        return sample

    contestants = dict(
        grokjax=rate("grokjax", ours, len(jax.local_devices())), devinterp=rate("devinterp", theirs, 1)
    )
    for contestant in contestants.values():
        contestant()
    rates = in_turns(contestants, options.rounds, long_enough=1e9)
    return dict(
        machine=processor.describe(),
        parameters=trees.num_parameters(run.params),
        settings={key: value for key, value in vars(options).items() if key != "json"},
        **summary("grokjax_chain_steps_per_second", rates["grokjax"]),
        **summary("devinterp_chain_steps_per_second", rates["devinterp"]),
        **summary("speedup", ratios(rates["grokjax"], rates["devinterp"])),
        estimate_and_standard_error=estimates,
        milliseconds_of_a_chain_step=profile(run, own, options),
    )


def of_grokjax(run: Run, own: Any, options: Any) -> Callable[[], tuple[float, float]]:
    """A function that gives (estimate, standard error), of the first of as many copies as there are
    devices.
    """
    settings = llc.Settings(
        epsilon=options.epsilon,
        gamma=options.gamma,
        num_chains=options.chains,
        num_draws=options.draws,
        num_burn_in=options.burn_in,
    )
    one = lambda run: llc.of(run, own, settings, key=random.key(1), batch_size=options.batch_size)
    lifted = map_runs(one)
    copies = jax.tree.map(lambda x: np.stack([np.asarray(x)] * len(jax.local_devices())), run)

    def estimate() -> tuple[float, float]:
        found = lifted(copies)
        return float(found.mean[0]), float(found.standard_error[0])

    return estimate


def of_devinterp(run: Run, own: Any, options: Any) -> Callable[[], tuple[float, float]]:
    """The same of devinterp's chains: its losses after the burn-in, against the loss at w* on all data."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    import torch
    from devinterp.slt import sampling

    model = ported(run)
    table = np.concatenate([np.asarray(own.tokens), np.asarray(own.labels)], 1)
    examples = [{"input_ids": row} for row in torch.tensor(table).long()]
    loss = functools.partial(per_example, width=table.shape[1] - 1)
    with torch.no_grad():
        baseline = float(loss(model, torch.tensor(table).long()).mean())
    if not np.isclose(baseline, float(run.loss(own)), rtol=1e-3, atol=1e-6):
        raise ValueError(f"the ported model has the loss {baseline}, not {float(run.loss(own))}")
    nbeta = llc.inverse_temperature(len(table))
    logging.disable(logging.WARNING)

    def estimate() -> tuple[float, float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = sampling.sample(
                model, examples, {}, lr=options.epsilon, n_beta=nbeta, localization=options.gamma,
                num_chains=options.chains, num_draws=options.draws, num_burnin_steps=options.burn_in,
                batch_size=options.batch_size, num_init_loss_batches=1, loss_fn=loss, device="cpu",
            )  # fmt: skip
        trace = found.dataset.sampling_loss_micro.mean(dim=["batch_sampling", "token_pos"]).values
        each = nbeta * (trace[:, options.burn_in :].mean(1) - baseline)
        return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))

    return estimate


def per_example(model: Any, input_ids: Any, width: int) -> Any:
    """The loss of every example, as often as devinterp expects tokens [B, width]."""
    import torch

    found = torch.nn.functional.cross_entropy(model(input_ids[:, :-1]), input_ids[:, -1], reduction="none")
    return found[:, None].expand(-1, width)


def ported(run: Run) -> Any:
    """A one-layer run without layer norm as a PyTorch module: tokens [B, P] to logits of the last position.
    ValueError for another model.
    """
    import torch

    config = run.config
    if config.num_layers != 1 or config.layer_norm or config.positions != "learned" or config.mask != "full":
        raise ValueError("only a one-layer model of the pizza preset is ported")
    rate = float(run.hyper.attention_rate)
    flat = {name: np.array(leaf, np.float32) for name, leaf in trees.named_leaves(run.params).items()}

    class Transformer(torch.nn.Module):
        """The model, under the last parts of its parameters' names."""

        def __init__(self) -> None:
            super().__init__()
            for name, value in flat.items():
                self.register_parameter(name.rpartition(".")[2], torch.nn.Parameter(torch.tensor(value)))

        def forward(self, tokens: Any) -> Any:
            x = self.W_E[tokens] + self.W_pos[: tokens.shape[1]]
            q = torch.einsum("bd,dhk->bhk", x[:, -1], self.W_Q)
            k, v = (torch.einsum("bpd,dhk->bphk", x, W) for W in (self.W_K, self.W_V))
            pattern = (torch.einsum("bhk,bphk->bhp", q, k) / k.shape[-1] ** 0.5).softmax(-1)
            z = torch.einsum("bhp,bphk->bhk", rate * pattern + (1 - rate), v)
            x = x[:, -1] + torch.einsum("bhk,hkd->bd", z, self.W_O)
            return (x + torch.relu(x @ self.W_in + self.b_in) @ self.W_out + self.b_out) @ self.W_U

    return Transformer()


def profile(run: Run, own: Any, options: Any, steps: int = 100) -> dict[str, float]:
    """Milliseconds, each alone on one device: the gradient, the normal numbers, a whole step of SGLD; and
    PyTorch's gradient with all its threads.
    """
    import torch

    few = jax.tree.map(lambda x: jnp.asarray(x[: options.batch_size]), own)
    params, loss = jax.tree.map(jnp.asarray, run.params), llc.loss_of(run)
    sampler = langevin.sgld(loss, epsilon=options.epsilon, nbeta=1.0, gamma=options.gamma)
    add = functools.partial(jax.tree.map, lambda a, b: a + 1e-9 * b)
    bodies: dict[str, Callable[[Any, Any], Any]] = dict(
        gradient=lambda params, key: add(params, jax.grad(loss)(params, few)),
        normal_numbers=lambda params, key: add(params, langevin.normals(key, params)),
        whole_step=lambda params, key: (
            sampler.step(key, langevin.State(params, run.params, ()), few)[0].params
        ),
    )
    keys, found = random.split(random.key(0), steps), {}
    for name, body in bodies.items():
        scanned = jax.jit(
            lambda params, body=body: jax.lax.scan(lambda p, k: (body(p, k), None), params, keys)[0]
        )
        jax.block_until_ready(scanned(params))
        took = [seconds(lambda: jax.block_until_ready(scanned(params))) for _ in range(3)]  # noqa: B023
        found[f"grokjax_{name}"] = 1e3 * min(took) / steps
    model, table = ported(run), torch.tensor(np.concatenate([own.tokens, own.labels], 1)).long()
    backward = lambda: per_example(model, table[: options.batch_size], 1).mean().backward()
    backward()
    took = [seconds(lambda: [backward() for _ in range(steps)]) for _ in range(3)]
    return found | {"pytorch_gradient": 1e3 * min(took) / steps}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
