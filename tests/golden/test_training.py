"""Training from the weights that others began with follows the curves that they published."""

import dataclasses
import functools
import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import released

import grokjax as gj
from grokjax.training import Program, RunState, Snapshot, step
from grokjax.training.optimizer import optimizer


def begun(recipe, hyper, params):
    params = jax.tree.map(jnp.asarray, params)
    return RunState(
        jnp.int32(0), params, optimizer(recipe, hyper).init(params), jnp.bool_(True), jnp.bool_(False)
    )


def test_modular_addition_follows_the_released_curve(reference):
    weights = np.load(reference / "modadd_init_seed1.npz")
    task = gj.ModularArithmetic(modulus=113)
    config, recipe, hyper = gj.presets.nanda(task)
    recipe = dataclasses.replace(recipe, evaluate_every=1000)
    hyper = hyper.replace(weight_decay=0.1, seed=1)
    torch = {
        name.removeprefix("param."): weights[name] for name in weights.files if name.startswith("param.")
    }
    run = begun(recipe, hyper, released.parameters(torch, num_heads=4, num_positions=3))
    start = Snapshot(0, 0, jax.tree.map(lambda x: x[None], run))
    *_, epoch = gj.train(
        task, config, recipe, gj.grid(hyper, seed=[1]), steps=51, epoch_steps=51, resume_from=start
    )
    saved = np.load(reference / "modadd_wd0p1_curve.npz")["train_loss"]
    gap = np.abs(epoch.metrics["loss"][0, :51, 0] / saved[:51] - 1)
    assert gap[:10].max() < 1e-5, gap
    assert gap[:50].max() < 3e-4, gap


def test_five_digit_addition_follows_the_saved_losses_of_every_digit(reference):
    spec = importlib.util.spec_from_file_location("torch_rng", reference / "torch_rng.py")
    torch_rng = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(torch_rng)
    saved = np.load(reference / "adder5_seed129000_first300.npz")
    task = gj.Addition(num_digits=5, batch_size=64)
    config, recipe, hyper = gj.presets.nanda_addition(task)
    config, hyper = (
        dataclasses.replace(config, d_model=512),
        hyper.replace(weight_decay=0.1, learning_rate=1e-4),
    )
    given = Given(task)
    one_step = jax.jit(functools.partial(step.step, Program(given, config, recipe), hyper))
    state = begun(
        recipe, hyper, released.parameters(drawn(torch_rng.TorchCPU(129000)), num_heads=4, num_positions=17)
    )
    losses = []
    for pairs in saved["ab"][:50]:
        state, metrics = one_step(problems(pairs), state)
        losses.append(metrics["loss"][::-1])
    gap = np.abs(np.array(losses) / saved["saved_per_token_loss"][:50] - 1)
    assert gap[:20].max() < 1e-5, gap[:20].max()
    assert gap.max() < 5e-4, gap.max()


@dataclasses.dataclass(frozen=True)
class Given:
    """5-digit addition whose batch at each step is handed in, as the whole training set of that step."""

    task: gj.Addition
    finite = True
    batch_size = None

    def __getattr__(self, name):
        return getattr(self.task, name)


def problems(pairs):
    digits = lambda x, n: x[:, None] // 10 ** np.arange(n)[::-1] % 10
    sign = lambda token: np.full((len(pairs), 1), token)
    answer = digits(pairs.sum(1), 6)
    tokens = np.concatenate(
        [digits(pairs[:, 0], 5), sign(10), digits(pairs[:, 1], 5), sign(11), answer[:, :-1]], 1
    )
    return gj.tasks.Batch(tokens.astype(np.int32), answer.astype(np.int32))


def drawn(g, *, d=512, heads=4, positions=18):
    """The initial weights of the run, in its order of drawing."""
    scaled = lambda *shape, width=d: g.randn(*shape) / np.float32(np.sqrt(width))
    return {
        "embed.W_E": scaled(d, 12),
        "pos_embed.W_pos": scaled(positions, d),
        **{f"blocks.0.attn.{name}": scaled(heads, d // heads, d) for name in ("W_K", "W_Q", "W_V")},
        "blocks.0.attn.W_O": scaled(heads, d, d // heads),
        "blocks.0.mlp.W_in": scaled(4 * d, d),
        "blocks.0.mlp.b_in": np.zeros(4 * d),
        "blocks.0.mlp.W_out": scaled(d, 4 * d),
        "blocks.0.mlp.b_out": np.zeros(d),
        "unembed.W_U": scaled(d, 10, width=10),
    }
