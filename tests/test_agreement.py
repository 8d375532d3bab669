"""Every public reader of a run agrees with what the run itself computes, whatever its attention rate.

A reader that has a logit, a loss, a pattern or an activation in it is compared with the run's own. Every
function of interp that takes a run must stand in READERS, or in OTHERWISE with the reason.
"""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random
from test_contract import EVERY

import grokjax as gj
from grokjax import objective
from grokjax.interp import (
    ablation,
    activations,
    attention,
    attribution,
    bayes,
    edges,
    folding,
    hand_wired,
    last_block,
    lenses,
    modular,
    patching,
    pruning,
    similarity,
    steering,
)
from grokjax.interp import addition as digits

RATES = (0.0, 0.3, 1.0)
TASK = gj.Addition(num_digits=2, base=4, batch_size=24)
SHALLOW = gj.ModelConfig.of(TASK, d_model=8, num_heads=2, d_mlp=12)
DEEP = gj.ModelConfig.of(
    TASK, d_model=8, num_heads=2, d_mlp=12, num_layers=2, layer_norm=True, unembed_bias=True
)
CYCLIC = gj.ModularArithmetic(modulus=5)
SMALL = gj.ModelConfig.of(CYCLIC, d_model=8, num_heads=2, d_mlp=12)
BATCH = TASK.batch(random.key(1))
TOKENS, SOURCE = BATCH.tokens, TASK.batch(random.key(2)).tokens
PROBLEMS = digits.evaluation_sets.every(TASK)
ALL = TASK.encode(jnp.asarray(PROBLEMS.a), jnp.asarray(PROBLEMS.b))
READ = np.asarray(TASK.read)
LAST = TASK.read[-1]

READERS = {}
"""By the function's name: (which of the runs below, a function of a run that yields pairs to be equal)."""
OTHERWISE = {
    **dict.fromkeys(
        (
            "activations.names",
            "activations.stream_names",
            "attribution.accumulated_labels",
            "attribution.decompose_labels",
            "attribution.full_labels",
            "edges.exist",
            "edges.receivers",
            "edges.senders",
            "lenses.names",
        ),
        "gives names",
    ),
    "activations.visible_tokens": "is about tokens alone",
    "bayes.hessian.of": "curvatures of `plain_loss`, which agrees",
    "bayes.hessian.of_large": "curvatures of `plain_loss`, which agrees",
    "composition": "reads weights alone",
    "circuits": "reads weights alone; its share of scores is of q·k, before the rate",
    "folding.value_biases": "reads weights alone",
    "fourier.of_embedding": "reads W_E alone",
    "lenses.alignment": "compares class means of `streams`, which agree, with W_U",
    "lenses.translated": "is fitted to `streams` and to the run's own distribution, which agree",
    "lenses.tuned_lens": "is fitted to `streams` and to the run's own distribution, which agree",
    "modular.circles.of": "is made of `grid.logits`, which agrees",
    "modular.pizza.circle_fits": "is made of `grid.logits`, which agrees",
    "modular.pizza.circularity": "reads W_E alone",
    "modular.pizza.distance_irrelevance_of_wrong_logit": "is made of `grid.of`, which agrees",
    "modular.pizza.gradient_symmetricity_sample": "is a sample of `gradient_symmetricity`, which agrees",
    "modular.pizza.logit_fits": "is made of `grid.of`, which agrees",
    "modular.progress.clusters": "is made of `grid.of`, which agrees",
    "modular.progress.gini_of_embedding": "reads W_E alone",
    "modular.progress.gini_of_logit_weights": "reads weights alone",
    "modular.progress.sums_of_squares": "reads weights alone",
    "modular.representations.measures": "is made of `grid.of`, which agrees, and of weights alone",
    "pruning.greedy": "gives an order, by the losses of `pruning.scores`",
}


def agrees(*names, runs="shallow"):
    """Declares that a function of a run yields pairs (what the named readers find, the run's own)."""

    def declared(pairs):
        READERS.update(dict.fromkeys(names, (runs, pairs)))
        return pairs

    return declared


def mean_loss(run, logits):
    """The run's loss, of logits at every position."""
    return objective.cross_entropy(objective.by_answer(run.task, logits[:, READ]), BATCH.labels).mean()


def softmax(run):
    return jax.nn.softmax(run.logits(TOKENS))


@functools.cache
def trained():
    """Runs of every rate after 30 steps."""
    hypers = gj.grid(gj.Hyper(learning_rate=3e-3), attention_rate=RATES)
    *_, last = gj.train(TASK, SHALLOW, gj.Recipe(), hypers, steps=30, epoch_steps=30)
    return last.runs


@functools.cache
def made(kind, rate):
    """A run of a rate: trained for some steps, or fresh with biases that are not 0."""
    if kind == "shallow":
        return trained()[RATES.index(rate)]
    task, config = (CYCLIC, SMALL) if kind == "cyclic" else (TASK, DEEP)
    run = gj.Run.init(task, config, gj.Recipe(), gj.Hyper(attention_rate=rate))
    noise = lambda leaf: leaf + random.normal(random.key(3), leaf.shape) / 9
    return run.replace(params=jax.tree.map(noise, run.params))


@agrees("ablation.heads", "ablation.neurons", "ablation.positions", "ablation.components", runs="deep")
def _(run):
    """What is replaced by its own value does no damage; what is replaced costs what the edited run costs."""
    sites = {"heads": ("attn.result", 2), "neurons": ("mlp.post", 2), "positions": ("resid_pre", 1)}
    own, zeroed = run.scores(BATCH).loss.mean(0), lambda at: lambda x: x.at[at].set(0)
    for name, (site, axis) in sites.items():
        found = getattr(ablation, name)(run, BATCH, by=ablation.zero).loss[:, 1, 0]
        for layer in range(2):
            edit = {f"blocks.{layer}.{site}": zeroed((*[slice(None)] * axis, 1))}
            yield found[layer] + own, run.scores(BATCH, edit).loss.mean(0)
    for name, damage in ablation.components(run, BATCH, by=ablation.zero).items():
        yield damage.loss[0] + own, run.scores(BATCH, {name: jnp.zeros_like}).loss.mean(0)


@agrees("activations.deviations", "activations.stacked", "activations.visible_embedding_sum", runs="deep")
def _(run):
    logits, cache = run.run_with_cache(TOKENS)
    found = activations.deviations(run, TOKENS)
    yield found["logits"], logits.std()
    yield found["blocks.1.resid_mid"], cache["blocks.1.resid_mid"].std()
    yield activations.stacked(run, TOKENS, READ)[-1], cache["blocks.1.resid_post"][:, READ].swapaxes(0, 1)
    embedded = cache["embed"] + cache["pos_embed"]
    yield activations.visible_embedding_sum(run, TOKENS, [LAST])[0], embedded.sum(1)


@agrees("activations.gradients", runs="deep")
def _(run):
    """The gradient by the embedding of a token is the sum of those by the activations that it gives."""
    found = activations.gradients(run, TOKENS, functools.partial(mean_loss, run), at=["embed"])["embed"]
    own = jax.grad(lambda params: run.replace(params=params).loss(BATCH))(run.params)["W_E"]
    yield jnp.zeros_like(own).at[TOKENS].add(found), own


@agrees("addition.answer_distribution.joint")
def _(run):
    found = digits.answer_distribution.joint(run, TOKENS[0])
    yield found[tuple(BATCH.labels[0])], jnp.exp(-run.scores(BATCH).loss[0].sum())


@agrees("addition.predictions.log_probabilities")
def _(run):
    for digit in range(3):
        place = TASK.columns.index(digit)
        found = digits.predictions.log_probabilities(run, TOKENS, digit)
        yield found, jnp.log(softmax(run)[:, place])


@agrees("addition.digit_pair.loss_with", "addition.digit_pair.tables")
def _(run):
    none = jnp.zeros((4, 4, SHALLOW.mlp_width))
    for digit in (0, 1):
        found = digits.digit_pair.loss_with(run, PROBLEMS, none, digit=digit)
        yield found, run.scores(ALL).loss[:, TASK.columns.index(digit)].mean()
    means = digits.digit_pair.tables(run, PROBLEMS).means.mean((1, 2))
    post = run.cache(ALL.tokens)["blocks.0.mlp.post"].mean(0)
    yield means, post[np.array([TASK.read[TASK.columns.index(digit)] for digit in (0, 1)])]


@agrees("addition.carry_edits.flips")
def _(run):
    """With its own activations a run answers as it does."""
    place = TASK.columns.index(1)
    own = run.cache(ALL.tokens)["blocks.0.resid_mid"][:, TASK.read[place]]
    found = digits.carry_edits.flips(run, PROBLEMS, own, 1)
    yield found.kept, run.scores(ALL).correct[:, place].mean()
    yield found.log_odds, 0


@agrees("addition.length_generalization.exact_match")
def _(run):
    yield digits.length_generalization.exact_match(run, BATCH), run.scores(BATCH).correct.all(1).mean()


@agrees("addition.attention.to_places", "attention.patterns", "attention.patterns_by_class")
def _(run):
    own = run.cache(TOKENS)["blocks.0.attn.pattern"].mean(0)
    yield attention.patterns(run, TOKENS)[0], own
    yield attention.patterns_by_class(run, TOKENS, jnp.zeros(len(TOKENS), int), 1)[0, :, 0], own
    yield digits.attention.to_places(run, TOKENS)[0].sum(-1), own[:, READ].sum(-1)


@agrees("attention.scores", "attention.head_scores")
def _(run):
    """The pattern is the softmax of the scores, mixed with ones as the rate says."""
    one, seen = TOKENS[:1], np.tril(np.ones((TASK.num_positions, TASK.num_positions)))
    rate, pattern = run.hyper.attention_rate, run.cache(one)["blocks.0.attn.pattern"][0]
    yield rate * jax.nn.softmax(attention.scores(run, one)[0]) + (1 - rate) * seen, pattern
    before = np.arange(1, TASK.num_positions)
    yield attention.head_scores(run, one).previous_token[0], pattern[:, before, before - 1].mean(1)


@agrees(
    *(f"attribution.{name}" for name in ("bias_logits", "logits_of_parts", "logit_attrs", "through_ln")),
    *(f"attribution.{name}" for name in ("full_decomposition", "decompose_resid", "accumulated_resid")),
    runs="deep",
)
def _(run):
    logits, cache = run.run_with_cache(TOKENS)
    symbols = random.randint(random.key(4), TOKENS.shape, 0, 4)
    bias = attribution.bias_logits(run)
    for parts in (attribution.full_decomposition(run, cache), attribution.decompose_resid(run, cache)):
        yield attribution.logits_of_parts(run, cache, parts).sum(0) + bias, logits
        attributed = attribution.logit_attrs(run, cache, parts, symbols).sum(0) + bias[symbols]
        yield attributed, jnp.take_along_axis(logits, symbols[..., None], -1)[..., 0]
    whole = attribution.accumulated_resid(run, cache)[-1:]
    read = attribution.through_ln(run, cache, whole)[0] + run.params["ln_final"]["b"]
    yield read, cache["ln_final.normalized"]


@agrees(*(f"attribution.{name}" for name in ("components", "neurons", "neurons_by_symbol", "neuron_results")))
def _(run):
    """The parts of the right answers' logits; the neurons' are those of their layer, which has a bias too."""
    logits, cache = run.run_with_cache(TOKENS)
    right = lambda logits: jnp.take_along_axis(logits, BATCH.labels[..., None], -1)[..., 0] - logits.mean(-1)
    yield attribution.components(run, BATCH).sum(0), right(logits[:, READ])
    neurons, b_out = attribution.neurons(run, BATCH), run.params["blocks"][0]["b_out"]
    yield neurons.sum(0), right((cache["blocks.0.mlp_out"][:, READ] - b_out) @ run.params["W_U"])
    yield attribution.neuron_results(run, cache).sum(0) + b_out, cache["blocks.0.mlp_out"]
    count = jax.nn.one_hot(BATCH.labels, 4).sum(0)
    by_symbol = attribution.neurons_by_symbol(run, BATCH)
    yield (by_symbol * count).sum((0, 2)), neurons.sum((0, 1))


@agrees("bayes.llc.loss_of", "bayes.hessian.plain_loss", "bayes.llc.balancing_decay", "bayes.llc.of")
def _(run):
    yield bayes.llc.loss_of(run)(run.params, BATCH), run.loss(BATCH)
    yield bayes.hessian.plain_loss(run, BATCH)(run.params), run.loss(BATCH)
    own = jax.grad(lambda params: run.replace(params=params).loss(BATCH))(run.params)
    dot = lambda a, b: sum(jnp.vdot(x, y) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))
    yield bayes.llc.balancing_decay(run, BATCH), -dot(own, run.params) / dot(run.params, run.params)
    options = dict(key=random.key(0), epsilon=1e-6, gamma=1.0, num_chains=1, num_draws=2, num_burn_in=0)
    yield bayes.llc.of(run, BATCH, **options).baseline, run.loss(BATCH)


@agrees(
    "edges.forward", "edges.patterns", "edges.effects", "edges.attributions", "edges.minimal", runs="deep"
)
def _(run):
    none, score = jnp.zeros(edges.exist(run).shape), functools.partial(mean_loss, run)
    yield edges.forward(run, TOKENS, SOURCE, none), run.forward(TOKENS)
    yield edges.forward(run, TOKENS, SOURCE, none + 1), run.forward(SOURCE)
    cache = run.cache(TOKENS)
    own = jnp.stack([cache[f"blocks.{layer}.attn.pattern"] for layer in range(2)])
    yield edges.patterns(run, TOKENS, SOURCE, none), own
    kept = jax.jit(functools.partial(edges.minimal, score=score, limit=-1.0, passes=1))(run, TOKENS, SOURCE)
    yield kept.score, run.loss(BATCH)
    for found in (edges.effects, edges.attributions):
        # an edge that is replaced by what is there changes nothing
        yield jnp.nan_to_num(jax.jit(functools.partial(found, score=score))(run, TOKENS, TOKENS)), none


@agrees("folding.fold_ln", "folding.center_writing_weights", "folding.center_unembed", runs="deep")
def _(run):
    yield folding.fold_ln(run).logits(TOKENS), run.logits(TOKENS)
    yield folding.center_writing_weights(run).logits(TOKENS), run.logits(TOKENS)
    yield folding.center_unembed(run).loss(BATCH), run.loss(BATCH)


@agrees("hand_wired.widened")
def _(run):
    yield hand_wired.widened(run, random.key(0), 11).logits(TOKENS), run.logits(TOKENS)


@agrees(*(f"last_block.{name}" for name in ("after_attention", "logits", "neurons", "neuron_logits")))
def _(run):
    cache = run.cache(TOKENS)
    stream, heads = last_block.after_attention(run, TOKENS)
    yield stream, cache["blocks.0.resid_mid"][:, READ]
    yield heads, cache["blocks.0.attn.result"][:, READ]
    yield last_block.logits(run, stream), run.logits(TOKENS)
    post = last_block.neurons(run, stream)
    yield post, cache["blocks.0.mlp.post"][:, READ]
    without = run.logits(TOKENS, {"blocks.0.mlp.post": jnp.zeros_like})
    yield without + jnp.einsum("bcm,mcv->bcv", post, last_block.neuron_logits(run)), run.logits(TOKENS)


@agrees("lenses.logit_lens", "lenses.logits", "lenses.streams", runs="deep")
def _(run):
    found, own = lenses.logit_lens(run, BATCH), run.scores(BATCH)
    yield found.loss[-1], own.loss.mean(0)
    yield found.accuracy[-1], own.correct.mean(0)
    yield lenses.logits(run, lenses.streams(run, TOKENS))[-1], run.logits(TOKENS).swapaxes(0, 1)


@agrees("modular.grid.of", "modular.grid.logits", "modular.progress.measures", runs="cyclic")
@agrees("modular.pizza.distance_irrelevance", runs="cyclic")
def _(run):
    table = jax.tree.map(jnp.asarray, CYCLIC.table())
    own = run.logits(table.tokens)[:, 0, :5]
    yield modular.grid.of(run).logits.reshape(25, -1), own
    yield modular.grid.logits(run).reshape(25, -1), own
    loss, train = objective.cross_entropy(own, table.labels[:, 0]), jnp.arange(25) < 9
    found = modular.progress.measures(run, train)
    yield found.loss, loss.mean()
    yield jnp.stack([found.loss_train, found.loss_test]), jnp.stack([loss[:9].mean(), loss[9:].mean()])
    yield found.accuracy, (own.argmax(-1) == table.labels[:, 0]).mean()
    right = jnp.take_along_axis(own, table.labels, 1)[:, 0]
    of_difference = [right[np.array([5 * a + (a - d) % 5 for a in range(5)])].std() for d in range(5)]
    yield modular.pizza.distance_irrelevance(run), jnp.stack(of_difference).mean() / right.std()


@agrees("modular.pizza.gradient_symmetricity", runs="cyclic")
def _(run):
    """The gradients of every logit by what the two tokens add, from the run itself."""
    tokens = jnp.asarray(CYCLIC.table().tokens)
    changed = lambda change: run.logits(
        tokens, {"embed": lambda x: x + jnp.pad(change, ((0, 0), (0, 1), (0, 0)))}
    )[:, 0, :5].sum(0)
    slopes = jax.jacobian(changed)(jnp.zeros((25, 2, SMALL.d_model)))
    a, b = slopes[:, :, 0], slopes[:, :, 1]
    cosine = (a * b).sum(-1) / jnp.linalg.norm(a, axis=-1) / jnp.linalg.norm(b, axis=-1)
    yield modular.pizza.gradient_symmetricity(run).mean, cosine.mean()


@agrees(*(f"patching.{name}" for name in ("patch", "positions", "heads", "heads_by_position", "components")))
def _(run):
    """What is copied from the same input changes nothing; the whole embedding makes it the other input."""
    score = lambda logits: logits[:, LAST].mean(0)
    for copied in (patching.positions, patching.heads, patching.heads_by_position, patching.components):
        for found in jax.tree.leaves(copied(run, TOKENS, TOKENS, score)):
            own = score(run.forward(TOKENS))
            yield found, jnp.broadcast_to(own, found.shape)
    yield patching.patch(run, TOKENS, SOURCE, score, "embed", axis=()), score(run.forward(SOURCE))


@agrees("patching.attributions", "patching.integrated_gradients")
def _(run):
    """Where the score is linear, at the end of the stream, both are the whole change."""
    score, name = lambda logits: logits[:, LAST, 1].mean(), "blocks.0.resid_post"
    own = score(run.forward(SOURCE)) - score(run.forward(TOKENS))
    yield patching.attributions(run, TOKENS, SOURCE, score, at=[name])[name].sum(), own
    yield patching.integrated_gradients(run, TOKENS, SOURCE, score, name, steps=2).sum(), own


@agrees("patching.path_ablation")
def _(run):
    kept = jnp.ones((3, TASK.num_positions), bool)
    yield patching.path_ablation(run, TOKENS, SOURCE, kept, kept[:, 0]), run.logits(TOKENS)


@agrees("pruning.scores")
def _(run):
    found, own = pruning.scores(run, BATCH, jnp.ones((1, SHALLOW.mlp_width), bool)), run.scores(BATCH)
    yield found.loss[0], own.loss.mean(0)
    yield found.accuracy[0], own.correct.mean(0)
    yield found.exact[0], own.correct.all(1).mean()


@agrees("similarity.head_features")
def _(run):
    own = run.cache(TOKENS)["blocks.0.attn.pattern"]
    found = similarity.head_features(run, TOKENS).reshape(len(TOKENS), *own.shape[2:], 2)
    yield jnp.moveaxis(found, -1, 1), own - own.mean(0)


@agrees("steering.mean_difference")
def _(run):
    found = steering.mean_difference(run, TOKENS, SOURCE, "blocks.0.resid_post")
    yield found @ run.params["W_U"], run.forward(TOKENS).mean(0) - run.forward(SOURCE).mean(0)


PAIRS = {pairs: runs for runs, pairs in READERS.values()}


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    "pairs", PAIRS, ids=lambda pairs: next(n for n, (_, p) in READERS.items() if p is pairs)
)
def test_a_reader_agrees_with_the_run_itself(pairs, rate):
    run = made(PAIRS[pairs], rate)
    for found, own in jax.jit(lambda run: list(pairs(run)))(run):
        assert np.isfinite(own).all() and np.shape(found) == np.shape(own)
        np.testing.assert_allclose(found, own, atol=2e-5, rtol=2e-4)


def test_the_rate_changes_what_runs_compute():
    """So that a reader that forgot it could not agree."""
    losses = [made("deep", 1.0).replace(hyper=gj.Hyper(attention_rate=rate)).loss(BATCH) for rate in RATES]
    assert min(np.abs(np.diff(losses))) > 1e-2


def test_every_reader_of_a_run_is_compared_or_has_a_reason():
    takes_a_run = {name for name, found in EVERY.items() if "run" in inspect.signature(found).parameters}
    excused = {name for name in takes_a_run if {name, name.rpartition(".")[0]} & set(OTHERWISE)}
    assert takes_a_run - set(READERS) == excused, "put them into READERS, or into OTHERWISE with the reason"
    assert set(READERS) <= takes_a_run
