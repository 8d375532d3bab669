"""Interventions against plain numpy, off against absent, and resumed against uninterrupted."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import grokjax as gj
from grokjax import objective
from grokjax.cli import request
from grokjax.presets import INTERVENTIONS
from grokjax.training import interventions
from grokjax.training.optimizer import gradient_point, initial, updated
from grokjax.trees import named_leaves

STEPS = 7
HYPER = gj.Hyper(learning_rate=0.05, weight_decay=0.3, warmup_steps=3.0, b2=0.9)
TASK = gj.ModularArithmetic(modulus=5)
CONFIG = gj.ModelConfig.of(TASK, d_model=8, num_heads=2, d_mlp=8)


def draw(i, *shape):
    return np.random.default_rng(i).normal(size=shape)


def start():
    return {
        "W_E": draw(0, 4, 3),
        "b_in": np.zeros(3),
        "blocks": [{"W_Q": draw(1, 2, 4, 3), "W_in": draw(2, 3, 5)}],
    }


def gradients(i):
    return {
        "W_E": draw(10 * i + 1, 4, 3),
        "b_in": draw(10 * i + 2, 3),
        "blocks": [{"W_Q": draw(10 * i + 3, 2, 4, 3), "W_in": draw(10 * i + 4, 3, 5)}],
    }


def ours(recipe, hyper, stops_at=None):
    """The parameters after every step; at `stops_at` a step is tried in vain before."""
    single = lambda tree: jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), tree)
    params = single(start())
    state, found = initial(recipe, hyper, params), []
    for i in range(STEPS):
        if i == stops_at:
            nan = jax.tree.map(lambda x: x * jnp.nan, params)
            chex.assert_trees_all_equal(
                updated(recipe, hyper, nan, params, state, jnp.bool_(False)), (params, state)
            )
        params, state = updated(recipe, hyper, single(gradients(i)), params, state, jnp.bool_(True))
        found.append(named_leaves(params))
    return found


def theirs(hyper, before=lambda name, i, g, w: g, after=lambda params: params):
    """AdamW in numpy, with something done to each gradient before and to all parameters after."""
    params = {name: np.array(x, float) for name, x in named_leaves(start()).items()}
    m, v, found = dict.fromkeys(params, 0.0), dict.fromkeys(params, 0.0), []
    for i in range(STEPS):
        rate = hyper.learning_rate * min(i / hyper.warmup_steps, 1)
        for name, g in named_leaves(gradients(i)).items():
            g = before(name, i, g, params[name])
            m[name] = hyper.b1 * m[name] + (1 - hyper.b1) * g
            v[name] = hyper.b2 * v[name] + (1 - hyper.b2) * g**2
            root = np.sqrt(v[name] / (1 - hyper.b2 ** (i + 1))) + hyper.eps
            step = m[name] / (1 - hyper.b1 ** (i + 1)) / root
            params[name] = params[name] - rate * (step + hyper.weight_decay * params[name])
        params = after(params)
        found.append(dict(params))
    return found


def same(found, expected, **tolerance):
    for mine, other in zip(found, expected, strict=True):
        for name, x in mine.items():
            np.testing.assert_allclose(x, other[name], **({"rtol": 2e-4, "atol": 2e-5} | tolerance))


def test_the_exponential_average_of_grokfast():
    average = {}

    def before(name, i, g, w):
        average[name] = g if i == 0 else 0.8 * average[name] + 0.2 * g
        return g + 3.0 * average[name]

    hyper = HYPER.replace(grokfast_strength=3.0, grokfast_decay=0.8)
    recipe = gj.Recipe(interventions="grokfast_ema")
    same(ours(recipe, hyper, stops_at=3), theirs(hyper, before))


def test_the_moving_average_of_grokfast_acts_once_its_window_is_full():
    seen = {}

    def before(name, i, g, w):
        seen.setdefault(name, []).append(g)
        return g + 2.0 * np.mean(seen[name][-3:], 0) if i >= 2 else g

    hyper = HYPER.replace(grokfast_strength=2.0)
    recipe = gj.Recipe(interventions="grokfast_ma", grokfast_window=3)
    same(ours(recipe, hyper, stops_at=4), theirs(hyper, before))


def test_the_running_sum_forgets_large_gradients():
    """A sum of floats alone would keep errors of the gradients of 1 as large as the later ones of 1e-7."""
    recipe = gj.Recipe(optimizer="sgd", interventions="grokfast_ma", grokfast_window=5)
    hyper = gj.Hyper(grokfast_strength=1.0)
    weights = {"W_E": jnp.zeros(50)}
    sizes = np.where(np.arange(400) < 200, 1.0, 1e-7)[:, None]
    seen = jnp.asarray(draw(0, 400, 50) * sizes, jnp.float32)

    def step(state, g):
        changed, state = interventions.filtered(recipe, hyper, {"W_E": g}, weights, state, jnp.bool_(True))
        return state, changed["W_E"] - g

    state, average = jax.jit(lambda seen: jax.lax.scan(step, initial(recipe, hyper, weights), seen))(seen)
    for i in (4, 150, 203, 300, 399):
        exact = np.asarray(seen[i - 4 : i + 1], float).mean(0)
        np.testing.assert_allclose(average[i], exact, atol=1e-5 * sizes[i - 4 : i + 1].max())
    np.testing.assert_array_equal(state.oldest, seen[395])


def test_a_state_saved_without_the_running_sum_is_completed():
    window, row = draw(1, 2, 3, 4).astype(np.float32), np.array([7, 5], np.int32)
    found = interventions.completed({"moments.window": window, "moments.seen": row}, "moments")
    np.testing.assert_allclose(found["moments.total"].sum(1), window.sum(1), rtol=1e-5)
    np.testing.assert_array_equal(found["moments.oldest"], [window[0, 1], window[1, 2]])
    assert interventions.completed(found, "moments") is found


def test_orthograd_leaves_the_norm_and_nothing_along_the_weights():
    def before(name, i, g, w):
        left = g - (w * g).sum() / max((w * w).sum(), 1e-30) * w
        return left * np.linalg.norm(g) / np.linalg.norm(left)

    hyper = HYPER.replace(orthograd=1.0)
    same(ours(gj.Recipe(interventions="orthograd"), hyper, stops_at=2), theirs(hyper, before))


def test_the_norm_is_clamped_and_frozen_tensors_are_not():
    size = lambda params: np.sqrt(sum((x**2).sum() for x in params.values()))
    most = 0.9 * size(named_leaves(start()))

    def after(params):
        return {name: x * min(1, most / size(params)) for name, x in params.items()}

    hyper, recipe = HYPER.replace(norm_clamp=0.9, weight_decay=0.0), gj.Recipe(interventions="norm_clamp")
    found = ours(recipe, hyper, stops_at=2)
    same(found, theirs(hyper, after=after))
    sizes = [size(params) for params in found]
    assert max(sizes) <= most * (1 + 1e-6) and max(sizes) == pytest.approx(most)
    held = ours(recipe, hyper.replace(frozen=gj.freeze("W_E")))[-1]["W_E"]
    np.testing.assert_array_equal(held, start()["W_E"].astype(np.float32))


def test_schedule_free_keeps_the_average_as_the_parameters():
    hyper, recipe = HYPER.replace(b1=0.7), gj.Recipe(optimizer="schedule_free")
    x = {name: np.array(value, float) for name, value in named_leaves(start()).items()}
    z, v, weights, largest, expected = dict(x), dict.fromkeys(x, 0.0), 0.0, 0.0, []
    rate = lambda step: hyper.learning_rate * min(step / hyper.warmup_steps, 1)
    for i in range(STEPS):
        largest = max(largest, rate(i + 1))  # optax counts from 1 for the weights, from 0 for the steps
        weights += largest**2
        for name, g in named_leaves(gradients(i)).items():
            y = 0.3 * z[name] + 0.7 * x[name]
            v[name] = hyper.b2 * v[name] + (1 - hyper.b2) * g**2
            step = g / (np.sqrt(v[name] / (1 - hyper.b2 ** (i + 1))) + hyper.eps)
            z[name] = z[name] - rate(i) * (step + hyper.weight_decay * y)
            x[name] = x[name] + largest**2 / weights * (z[name] - x[name])
        expected.append(dict(x))
    same(ours(recipe, hyper, stops_at=3), expected)


def test_schedule_free_takes_the_gradient_between_the_average_and_the_iterate():
    hyper, recipe = HYPER.replace(frozen=gj.freeze("W_E"), b1=0.7), gj.Recipe(optimizer="schedule_free")
    params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), start())
    state = initial(recipe, hyper, params)
    state = state._replace(z=state.z + 1)
    point = named_leaves(gradient_point(recipe, hyper, params, state))
    np.testing.assert_array_equal(point.pop("W_E"), params["W_E"])
    for name, x in point.items():
        np.testing.assert_allclose(x, named_leaves(params)[name] + 0.3, rtol=1e-5, atol=1e-6)


def orthogonalized(g):
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g / (np.linalg.norm(g) + 1e-8)
    x = x.T if g.shape[0] > g.shape[1] else x
    for _ in range(5):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if g.shape[0] > g.shape[1] else x


def test_muon_takes_each_head_as_a_matrix_and_adamw_the_rest():
    hyper, recipe = HYPER.replace(momentum=0.8), gj.Recipe(optimizer="muon")
    params = {name: np.array(x, float) for name, x in named_leaves(start()).items()}
    m, v, expected = dict.fromkeys(params, 0.0), dict.fromkeys(params, 0.0), []
    for i in range(STEPS):
        rate = hyper.learning_rate * min(i / hyper.warmup_steps, 1)
        for name, g in named_leaves(gradients(i)).items():
            inside = name.startswith("blocks")
            decay = hyper.momentum if inside else hyper.b1
            m[name] = decay * m[name] + (1 - decay) * g
            ahead = decay * m[name] / (1 - decay ** (i + 2)) + (1 - decay) * g / (1 - decay ** (i + 1))
            v[name] = hyper.b2 * v[name] + (1 - hyper.b2) * g**2
            if inside:
                heads = ahead if ahead.ndim == 3 else ahead[None]
                size = 0.2 * np.sqrt(max(heads.shape[1:]))
                step = size * np.stack([orthogonalized(head) for head in heads]).reshape(g.shape)
            else:
                step = ahead / (np.sqrt(v[name] / (1 - hyper.b2 ** (i + 1))) + hyper.eps)
            params[name] = params[name] - rate * (step + hyper.weight_decay * params[name])
        expected.append(dict(params))
    same(ours(recipe, hyper, stops_at=3), expected, rtol=1e-3, atol=1e-3)


def test_stablemax_is_its_formula_and_keeps_small_losses():
    logits, labels = draw(5, 6, 4) * 20, np.array([0, 1, 2, 3, 0, 1])
    weight = np.where(logits >= 0, logits + 1, 1 / (1 - logits))
    expected = -np.log(weight[np.arange(6), labels] / weight.sum(-1))
    found = objective.stablemax(jnp.asarray(logits, jnp.float32), jnp.asarray(labels))
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    sure = objective.stablemax(jnp.array([[1e9, -1e9, -1e9]], jnp.float32), jnp.array([0]))
    np.testing.assert_allclose(sure, 2e-18, rtol=1e-5)


@pytest.mark.parametrize("bias", (False, True))
def test_the_temperature_divides_the_logits_in_the_loss_alone(bias):
    config = gj.ModelConfig.of(TASK, d_model=8, num_heads=2, d_mlp=8, unembed_bias=bias)
    recipe, hyper, batch = gj.Recipe(interventions="temperature"), gj.Hyper(temperature=3.0), TASK.table()
    run = gj.Run.init(TASK, config, recipe, hyper)
    plain = lambda params: run.replace(params=params).logits(batch.tokens) / 3.0
    loss = lambda params: objective.cross_entropy(plain(params), batch.labels).mean()
    fused = lambda params: objective.mean_loss(config, TASK, recipe, params, hyper, batch)[0]
    value, gradient = jax.jit(jax.value_and_grad(fused))(run.params)
    expected, theirs = jax.jit(jax.value_and_grad(loss))(run.params)
    chex.assert_trees_all_close((value, gradient), (expected, theirs), rtol=1e-4, atol=1e-6)
    assert run.loss(batch) == pytest.approx(float(expected), rel=1e-5)


def trained(recipe, hypers, steps=12):
    *_, last = gj.train(TASK, CONFIG, recipe, hypers, steps=steps, epoch_steps=6)
    return last


def test_strengths_of_zero_are_the_plain_program_in_value():
    hypers = gj.grid(HYPER.replace(train_fraction=0.8), seed=range(2))
    off = gj.Recipe(
        interventions="grokfast_ema+grokfast_ma+orthograd+temperature+norm_clamp", grokfast_window=4
    )
    plain, without = trained(gj.Recipe(), hypers), trained(off, hypers)
    np.testing.assert_allclose(without.metrics["loss"], plain.metrics["loss"], rtol=2e-6)
    chex.assert_trees_all_close(without.state.params, plain.state.params, rtol=1e-5, atol=1e-6)


ALL = dict(
    averages=gj.Recipe(interventions="grokfast_ema+grokfast_ma+norm_clamp", grokfast_window=4),
    muon=gj.Recipe(optimizer="muon", interventions="orthograd"),
    schedule_free=gj.Recipe(optimizer="schedule_free", loss="stablemax", interventions="norm_clamp"),
)


@pytest.mark.parametrize("name", ALL)
def test_a_sweep_goes_on_to_the_bit_with_what_its_recipe_remembers(name, tmp_path):
    hyper = HYPER.replace(
        train_fraction=0.8, grokfast_strength=1.0, norm_clamp=0.9, orthograd=0.5, momentum=0.9
    )
    hypers = gj.grid(hyper, seed=range(2))
    run = lambda folder, steps: list(
        gj.run_sweep(tmp_path / folder, TASK, CONFIG, ALL[name], hypers, steps=steps, epoch_steps=6)
    )
    run("whole", 12)
    run("cut", 6)
    run("cut", 12)
    whole, cut = (gj.open_sweep(tmp_path / folder) for folder in ("whole", "cut"))
    chex.assert_trees_all_equal(cut.runs().params, whole.runs().params)
    plain = trained(gj.Recipe(), hypers).runs.params
    assert np.abs(whole.runs().params["W_E"] - plain["W_E"]).max() > 1e-3
    assert whole.recipe == ALL[name]


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_every_intervention_is_a_preset_of_the_command(name):
    asked = request.read(["--task=modular", f"--preset={name}", "--dry_run"]).request
    config, recipe, hyper = INTERVENTIONS[name](asked.task)
    plain = gj.presets.nanda(asked.task)
    assert (asked.config, asked.recipe) == (config, recipe) and config == plain[0]
    assert (recipe, hyper) != plain[1:]
    assert (
        gj.sweep.idle(asked.task, config, recipe)
        .keys()
        .isdisjoint(field for field, value in vars(hyper).items() if value != getattr(plain[2], field))
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (dict(interventions="grokfast"), "interventions='grokfast' must be none, or some of grokfast_ema"),
        (dict(interventions="orthograd+orthograd"), "joined by"),
        (dict(grokfast_window=0), "grokfast_window=0 must be an integer of at least 1"),
        (dict(loss="softmax"), "loss='softmax' must be one of cross_entropy, stablemax"),
    ],
)
def test_a_recipe_that_is_none_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        gj.Recipe(**given)


def test_schedule_free_needs_an_average():
    with pytest.raises(ValueError, match="b1=0 must be above 0 with optimizer='schedule_free'"):
        trained(gj.Recipe(optimizer="schedule_free"), gj.grid(gj.Hyper(), b1=[0.0, 0.9]))
