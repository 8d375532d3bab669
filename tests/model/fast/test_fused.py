"""The fused loss is the plain program's, in value, gradient and correctness, for every kind of config that it
accepts.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokjax import objective, tasks
from grokjax.config import Hyper, ModelConfig, Recipe
from grokjax.model import init, transformer
from grokjax.model.fast import accepts, layers, mean_loss, scores, states, stream

SEQUENCE = tasks.Addition(num_digits=2, batch_size=37)
SINGLE = tasks.Addition(num_digits=2, mode="single", digit=1, batch_size=33)
MODULAR = tasks.ModularArithmetic(modulus=13)
WIDE = dict(d_model=30, num_heads=2)
NARROW = dict(d_model=12, num_heads=3)
DEEP = dict(d_model=60, num_heads=2, num_layers=2)
CASES = [
    # few symbols: attention's weights are gathered by token and by position
    ("weights", SEQUENCE, WIDE),
    ("weights", SEQUENCE, WIDE | dict(mask="full", activation="gelu", unembed_bias=True)),
    ("weights", SEQUENCE, WIDE | dict(mlp=False, unembed_bias=True)),
    ("weights", SEQUENCE, WIDE | dict(attention="uniform")),
    ("weights", SEQUENCE, WIDE | dict(attention="positional", mask="full")),
    ("weights", SEQUENCE, WIDE | dict(attention="uniform", positions="none", mlp=False)),
    ("weights", SEQUENCE, WIDE | dict(positions="sinusoidal", num_heads=1)),
    ("weights", SEQUENCE, WIDE | dict(positions="none")),
    ("weights", SEQUENCE, WIDE | dict(positions="rope", d_head=6, d_mlp=7)),
    ("weights", SEQUENCE, WIDE | dict(positions="fire", mask="full")),
    ("weights", dataclasses.replace(SEQUENCE, order="lsb", scratchpad=True, outputs="tokens"), WIDE),
    ("weights", dataclasses.replace(SEQUENCE, mode="parallel"), dict(d_model=60, num_heads=2)),
    ("weights", SINGLE, dict(d_model=60, num_heads=2)),
    ("weights", SINGLE, dict(d_model=60, num_heads=2, attention="positional")),
    # one state reads: attention's values are gathered
    ("values", SINGLE, NARROW),
    ("values", MODULAR, NARROW | dict(unembed_bias=True)),
    ("values", MODULAR, NARROW | dict(mask="full", activation="gelu", d_head=5)),
    ("values", MODULAR, NARROW | dict(mlp=False, positions="fire")),
    (
        "values",
        dataclasses.replace(MODULAR, two_vocabularies=True),
        NARROW | dict(positions="rope", mask="full"),
    ),
    ("values", tasks.SkipTrigram(length=6, batch_size=7), NARROW | dict(positions="none")),
    # all else: the residual stream is formed, the head alone is fused
    ("stream", MODULAR, NARROW | dict(attention="positional")),
    ("stream", dataclasses.replace(MODULAR, equals=False), NARROW),
    ("stream", tasks.Addition(num_digits=1, base=36, batch_size=5), NARROW),
    ("stream", tasks.Induction(vocabulary=9, length=13, piece_length=4, batch_size=7), NARROW),
    ("stream", SEQUENCE, NARROW | dict(positions="abacus")),
    ("stream", SEQUENCE, WIDE | dict(num_layers=2)),
    (
        "stream",
        SEQUENCE,
        WIDE | dict(num_layers=2, activation="gelu", attention="uniform", unembed_bias=True),
    ),
    # the stream before the first of several MLPs has fewer columns than d_model: it is not formed there
    ("stream", SEQUENCE, DEEP),
    (
        "stream",
        dataclasses.replace(SEQUENCE, batch_size=207),
        DEEP | dict(activation="gelu", positions="fire"),
    ),
    ("stream", SEQUENCE, NARROW | dict(num_layers=3)),
    ("stream", SEQUENCE, NARROW | dict(num_layers=3, mlp=False, positions="rope", mask="full")),
    ("stream", MODULAR, NARROW | dict(num_layers=2, positions="abacus")),
    # every beginning stands in the batch several times: the first block computes it once, for one position or
    # two
    ("stream", MODULAR, NARROW | dict(num_layers=2)),
    (
        "stream",
        dataclasses.replace(SEQUENCE, batch_size=207),
        WIDE | dict(num_layers=3, positions="rope", d_head=6, mlp=False),
    ),
]
FORMS = {
    "weights": (SEQUENCE, WIDE),
    "values": (MODULAR, NARROW),
    "stream": (SEQUENCE, WIDE | dict(num_layers=2)),
    "deep": (SEQUENCE, DEEP),
}
UNOPTIMISED = {"xla_backend_optimization_level": 0}  # compiles in half the time


def name(case):
    options = [f"{key}={value}" for key, value in case[2].items() if key not in ("d_model", "num_heads")]
    return "-".join([case[0], type(case[1]).__name__, *options])


def config_for(task, options):
    return ModelConfig(**(tasks.shape(task) | options))


def batch_of(task):
    """Some examples; 61 rows, a prime, of a table."""
    if not task.finite:
        return task.batch(jax.random.key(5))
    rows = np.random.default_rng(0).permutation(len(task.table().tokens))[:61]
    return jax.tree.map(lambda x: jnp.asarray(x[rows]), task.table())


def params_of(config, seed=1):
    """Every parameter away from 0, so that no gradient is missed; of a wide model less, so that its logits
    are no larger.
    """
    leaves, tree = jax.tree.flatten(init(config, jax.random.key(seed), Hyper()))
    away = min(0.1, 3 / config.d_model)
    return jax.tree.unflatten(
        tree, [x + away * jax.random.normal(jax.random.key(i), x.shape) for i, x in enumerate(leaves)]
    )


def plain(config, task, params, batch, rate=1.0, offset=0):
    """(mean, (losses, correctness)) of the program that has every activation."""
    logits = transformer.forward(
        config,
        params,
        batch.tokens,
        read=task.read,
        tap=lambda name, x: x,
        attention_rate=rate,
        offset=offset,
    )
    logits = objective.by_answer(task, logits)
    losses = objective.cross_entropy(logits, batch.labels)
    return losses.mean(), (losses, logits.argmax(-1) == batch.labels)


def fast(config, task, params, batch, rate=1.0, offset=0):
    """The same from the fused program."""
    mean, losses, correct = mean_loss(config, task, params, batch, rate, offset)
    return mean, (losses, correct)


def in_float64(function, params, *args):
    """Value and gradient in double precision."""
    with jax.enable_x64(True):
        params = jax.tree.map(lambda x: jnp.asarray(np.asarray(x), jnp.float64), params)
        compiled = jax.jit(jax.value_and_grad(function, has_aux=True), compiler_options=UNOPTIMISED)
        return jax.tree.map(np.asarray, compiled(params, *args))


def in_float32(function, params, *args):
    """Value and gradient as training has them."""
    with jax.default_matmul_precision("float32"):
        return jax.jit(jax.value_and_grad(function, has_aux=True), compiler_options=UNOPTIMISED)(
            params, *args
        )


def assert_close(gradient, true, tolerance=2e-6):
    """Within a tolerance of the largest entry of each tensor (and a tenth of it of all, for those that are 0
    but for rounding).
    """
    largest = max(np.abs(t).max() for t in jax.tree.leaves(true))
    for (path, g), t in zip(
        jax.tree_util.tree_leaves_with_path(gradient), jax.tree.leaves(true), strict=True
    ):
        atol = tolerance * np.abs(t).max() + 0.1 * tolerance * largest
        np.testing.assert_allclose(g, t, atol=atol, rtol=0, err_msg=jax.tree_util.keystr(path))


@pytest.mark.parametrize("case", CASES, ids=name)
def test_loss_and_gradient_are_those_of_the_plain_program_in_float64(case):
    form, task, options = case
    config, batch = config_for(task, options), batch_of(task)
    params, offset = params_of(config), 3 if config.positions == "abacus" else 0
    assert accepts(config, task)
    assert form_of(config, task, params, batch) == form
    for rate in (0.8, 1.0) if form == "values" else (0.8,):  # values have a short cut for rate 1
        (mean, (losses, correct)), gradient = in_float32(
            lambda p, r: fast(config, task, p, batch, r, offset), params, rate
        )
        (true_mean, (true_losses, true_correct)), true = in_float64(
            lambda p, r: plain(config, task, p, batch, r, offset), params, rate
        )
        np.testing.assert_allclose(mean, true_mean, rtol=1e-6)
        np.testing.assert_allclose(losses, true_losses, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(correct, true_correct)
        assert_close(gradient, true)


def form_of(config, task, params, batch):
    """What is gathered: weights, values, or the residual stream itself."""
    stream = jax.eval_shape(lambda: layers.read_stream(config, task, params, batch.tokens, 1.0, 0)[:3])
    width = config.num_heads * config.head_width
    return "stream" if stream[2] is None else "values" if stream[1].shape[1] == width else "weights"


@pytest.mark.parametrize("form", FORMS)
def test_runs_under_vmap_and_scan_are_runs_alone(form):
    task, options = FORMS[form]
    config, batch = config_for(task, options), batch_of(task)
    runs = [params_of(config, seed) for seed in range(3)]
    one = jax.value_and_grad(lambda p: fast(config, task, p, batch, jnp.float32(0.9))[0])
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *runs)
    total = jax.value_and_grad(
        lambda runs: jax.vmap(lambda p: fast(config, task, p, batch, jnp.float32(0.9))[0])(runs).sum()
    )
    several = lambda runs: (
        jax.vmap(one)(runs),
        jax.lax.scan(lambda _, p: (None, one(p)), None, runs)[1],
        total(runs)[1],
    )
    together, in_turn, summed = jax.jit(several, compiler_options=UNOPTIMISED)(stacked)
    alone = jax.jit(one, compiler_options=UNOPTIMISED)
    for i, (value, gradient) in enumerate(map(alone, runs)):
        for values, gradients in (together, in_turn, (together[0], summed)):
            np.testing.assert_allclose(values[i], value, rtol=1e-6)
            assert_close(jax.tree.map(lambda x, i=i: x[i], gradients), gradient)


@pytest.mark.parametrize("form", ("weights", "values"))
def test_scores_far_apart_get_a_maximum_of_their_own_row(form):
    task, options = FORMS[form]
    config, batch = config_for(task, options), batch_of(task)
    params = params_of(config)
    params["blocks"][0]["W_Q"] *= 1000
    table, close = scores.score_table(
        config, params["blocks"][0], states.tables_of(config, params, task.read, task.tokens_at)
    )
    assert (
        not close and jnp.where(table > -jnp.inf, table, 0).min() < -150
    )  # some rows hold no score near the largest of all
    one = lambda p: fast(config, task, p, batch)
    (mean, (losses, _)), gradient = in_float32(one, params)
    (_, (true_losses, _)), true = in_float64(lambda p: plain(config, task, p, batch), params)
    np.testing.assert_allclose(losses, true_losses, rtol=1e-3, atol=1e-3)
    assert_close(gradient, true, tolerance=2e-3)
    several = in_float32(
        lambda p: (jax.vmap(one)(jax.tree.map(lambda x: jnp.stack([x, x / 10]), p))[0][0], 0), params
    )
    np.testing.assert_allclose(several[0][0], mean, rtol=1e-5)


@dataclasses.dataclass(frozen=True)
class Own:
    """A user's task, which does not say what can stand where."""

    task: tasks.Addition

    def __getattr__(self, attribute):
        if attribute == "tokens_at":
            raise AttributeError(attribute)
        return getattr(self.task, attribute)


def test_a_task_need_not_say_what_can_stand_where():
    config, batch = config_for(SEQUENCE, dict(d_model=60, num_heads=2)), batch_of(SEQUENCE)
    params, columns = (
        params_of(config),
        lambda task: layers.read_stream(config, task, params, batch.tokens, 1.0, 0).gathered.shape[1],
    )
    assert (
        columns(SEQUENCE) < columns(Own(SEQUENCE)) == 2 * (config.vocabulary - 1 + config.num_positions - 1)
    )
    (mean, _), gradient = in_float32(lambda p: fast(config, Own(SEQUENCE), p, batch), params)
    (true_mean, _), true = in_float32(lambda p: fast(config, SEQUENCE, p, batch), params)
    np.testing.assert_allclose(mean, true_mean, rtol=1e-6)
    assert_close(gradient, true, tolerance=4e-6)


@pytest.mark.parametrize(
    ("form", "floats"), (("weights", 700), ("values", 2000), ("stream", 3000), ("deep", 4000))
)
def test_chunks_change_nothing_even_where_rows_do_not_divide(form, floats, monkeypatch):
    task, options = FORMS[form]
    config, batch = config_for(task, options), batch_of(task)
    params = params_of(config)
    function = lambda p: fast(config, task, p, batch)
    whole = in_float32(function, params)
    monkeypatch.setattr(stream, "CHUNK", floats)
    (mean, (losses, correct)), gradient = in_float32(lambda p: function(p), params)
    np.testing.assert_allclose(mean, whole[0][0], rtol=1e-6)
    np.testing.assert_allclose(losses, whole[0][1][0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(correct, whole[0][1][1])
    assert_close(gradient, whole[1])


@pytest.mark.parametrize("rows", (1, 7, 61, 370, 1536, 3830, 3833))
def test_chunks_hold_every_row_once(rows):
    cut, joined = stream.cutting(rows, 700)
    x = jnp.arange(1.0, rows + 1)[:, None]
    chunks = cut(x)
    assert chunks.shape[0] * chunks.shape[1] < rows + chunks.shape[0]
    assert float(chunks.sum()) == float(x.sum())
    np.testing.assert_array_equal(joined(chunks), x)


def test_a_loss_of_1e_12_and_its_gradient_keep_their_precision():
    config = config_for(MODULAR, NARROW | dict(unembed_bias=True))
    batch = jax.tree.map(lambda x: x[:5], batch_of(MODULAR))._replace(labels=jnp.full((5, 1), 4))
    params = params_of(config)
    params["b_U"] = params["b_U"].at[4].add(33.0)
    (_, (losses, correct)), gradient = in_float32(lambda p: fast(config, MODULAR, p, batch), params)
    (true_mean, (true_losses, _)), true = in_float64(lambda p: plain(config, MODULAR, p, batch), params)
    assert 1e-13 < true_mean < 1e-11
    assert correct.all()
    np.testing.assert_allclose(losses, true_losses, rtol=1e-4)
    assert_close(
        jax.tree.map(lambda x: x * 1e12, gradient), jax.tree.map(lambda x: x * 1e12, true), tolerance=1e-4
    )


def test_training_differentiates_the_fused_program_where_it_can():
    config, recipe = config_for(SEQUENCE, WIDE), Recipe()
    batch, params = batch_of(SEQUENCE), params_of(config)
    mean, scores = objective.mean_loss(config, SEQUENCE, recipe, params, Hyper(), batch)
    jaxpr = str(
        jax.make_jaxpr(lambda p: objective.mean_loss(config, SEQUENCE, recipe, p, Hyper(), batch)[0])(params)
    )
    assert "evaluate" in jaxpr
    plain_scores = objective.scores(config, SEQUENCE, recipe, params, Hyper(), batch)
    np.testing.assert_allclose(mean, plain_scores.loss.mean(), rtol=1e-5)
    np.testing.assert_array_equal(scores.correct, plain_scores.correct)


def test_layer_norm_is_refused():
    assert not accepts(config_for(SEQUENCE, WIDE | dict(layer_norm=True)), SEQUENCE)


def test_of_several_blocks_the_first_positions_have_few_columns():
    config, batch = config_for(SEQUENCE, DEEP), batch_of(SEQUENCE)
    params, tokens = params_of(config), batch.tokens

    def columns(rows):
        seen = tokens[:, : rows.stop]
        stream = jax.eval_shape(
            lambda: layers.first_stream(
                config, params, seen, tuple(rows), SEQUENCE.tokens_at[: rows.stop], 1.0, 0
            )[:3]
        )
        assert len(stream[2]) == stream[0].shape[1] + stream[1].shape[1]
        return len(stream[2])

    early, late = states.spans(config, 0, tokens.shape[1], 2)
    assert (*early, *late) == tuple(range(tokens.shape[1]))
    assert columns(early) < columns(late) < config.d_model


@pytest.mark.parametrize(
    ("task", "layers", "rows", "most"),
    (
        (tasks.Addition(), 1, 256, 0.8e9),
        (tasks.Addition(), 2, 256, 4.8e9),
        (tasks.ModularArithmetic(), 1, 3830, 3.5e9),
    ),
)
def test_the_unchunked_program_needs_no_more_arithmetic_than_promised(task, layers, rows, most, monkeypatch):
    monkeypatch.setattr(stream, "CHUNK", 2**40)
    config = ModelConfig(**tasks.shape(task), num_layers=layers)
    params = jax.eval_shape(lambda: init(config, jax.random.key(0)))
    integers = functools.partial(jax.ShapeDtypeStruct, dtype=jnp.int32)
    batch = tasks.Batch(integers((rows, task.num_positions)), integers((rows, len(task.columns))))
    lowered = jax.jit(jax.grad(lambda p, b: mean_loss(config, task, p, b, 1.0)[0])).lower(params, batch)
    assert most / 2 < lowered.compile().cost_analysis()["flops"] < most


def test_gradients_in_a_scan_of_runs_one_after_the_other_can_be_lowered():
    """A block of one run is traced a second time under vmap: nothing traced may be closed over."""
    config = ModelConfig(**tasks.shape(MODULAR), mask="full", d_model=8, num_heads=2)
    params = jax.vmap(functools.partial(init, config))(jax.random.split(jax.random.key(0), 2))
    batch = jax.tree.map(jnp.asarray, MODULAR.table())

    def trained(params, tokens):
        gradient = jax.grad(lambda p: mean_loss(config, MODULAR, p, batch._replace(tokens=tokens), 1.0)[0])
        step = lambda p, _: (jax.tree.map(jnp.subtract, p, gradient(p)), None)
        return jax.lax.scan(step, params, None, 2)[0]

    tokens = jnp.stack([batch.tokens, batch.tokens[::-1]])
    blocks = jax.tree.map(lambda x: x[:, None], (params, tokens))
    jax.jit(lambda *each: jax.lax.map(lambda block: jax.vmap(trained)(*block), each)).lower(*blocks)
