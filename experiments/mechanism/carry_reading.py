"""What linear probes for a carry read in each place of a run, and what is linear in the tokens."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy import stats

from experiments.frame.bounds import crossed
from experiments.frame.measured import Measured
from grokjax.checkpoints import Sweep
from grokjax.interp import activations, attention, probes
from grokjax.interp.addition import evaluation_sets, features
from grokjax.run import Run

SHARE = 0.75
"""Of the problems, for training."""
SITES = ("resid_mid", "resid_post")
HELD, SUM = "resid_mid, attention held", "sum of embeddings"
STREAM = (SITES[0], "mlp_out", SITES[1])
SOURCES = (*STREAM, HELD, SUM)
KEY = 7


class Read(NamedTuple):
    """What probes for one carry find in one place, on the T problems left out of the fit.

    right, control: of each problem whether the carry, and the class of the control task, is said rightly
    margin: the output of the least-squares probe, from no carry to carry
    """

    right: Any
    control: Any
    margin: Any


class Classes(NamedTuple):
    """Of each column, for the problems that are left out [n, T]: the carry into it, whether the column below
    sums to 9, so that neither of its digits tells, and the class of the control task.
    """

    carry: np.ndarray
    propagates: np.ndarray
    control: np.ndarray


def linear_limit(base: int) -> float:
    """The correlation ratio of the best linear function of one-hot digits with the carry out of a column
    without one into it.
    """
    share = (base - 1) / (2 * base)
    return float(2 * np.var(np.arange(base) / base) / (share * (1 - share)))


def columns(task: Any) -> range:
    """The columns that a carry can go into."""
    return range(1, task.num_digits + 1)


def labels(task: Any, drawn: evaluation_sets.Problems) -> tuple[Array, Array, Array]:
    """Of each column [n, B]: the carry into it, whether the column below propagates, and a random class of
    that column's pair.
    """
    stack = lambda function, shift: jnp.stack([function(drawn, task.base, k - shift) for k in columns(task)])
    return stack(features.carry, 0), stack(features.propagates, 1), stack(features.control, 1)


def own(task: Any) -> tuple[int, ...]:
    """The position that predicts the answer digit of each column."""
    return tuple(task.read[task.columns.index(k)] for k in columns(task))


def left_out(size: int) -> Int[np.ndarray, " T"]:
    """The problems that no probe is fitted on."""
    with jax.ensure_compile_time_eval():  # also inside of jit
        return np.flatnonzero(~np.asarray(probes.split(jax.random.key(KEY), size, SHARE)))


def classes(task: Any, drawn: evaluation_sets.Problems) -> Classes:
    """Those of the problems left out."""
    rest = left_out(len(drawn.a))
    return Classes(*(np.asarray(one)[:, rest] for one in labels(task, drawn)))


def in_place(activation: Float[Array, "B D"], carry: Array, control: Array) -> Read:
    """What probes for one carry find in one place."""
    train = probes.split(jax.random.key(KEY), len(carry), SHARE)
    rest = left_out(len(carry))

    def said(fit, of):
        probe = fit(activation, jax.nn.one_hot(of, 2), weights=probes.balanced(2, of, weights=train))
        return probes.outputs(probe, activation[rest])

    firm, other, squares = (
        said(probes.logistic, carry),
        said(probes.logistic, control),
        said(probes.ridge, carry),
    )
    return Read(
        firm.argmax(-1) == carry[rest], other.argmax(-1) == control[rest], squares[:, 1] - squares[:, 0]
    )


def of_tokens(sweep: Sweep, drawn: evaluation_sets.Problems) -> Read:
    """The same of one-hot tokens, columns [n]: what no run is needed for."""
    hot = activations.visible_tokens(sweep.run(0), jnp.asarray(drawn.tokens), own(sweep.task))
    carry, _, control = labels(sweep.task, drawn)
    return jax.device_get(
        jax.jit(lambda *each: jax.lax.map(lambda one: in_place(*one), each))(hot, carry, control)
    )


def read(drawn: evaluation_sets.Problems, run: Run) -> tuple[Read, Array]:
    """Of one run, [SOURCES, n]; and whether all its answers are right with attention held [B]."""
    at, tokens = own(run.task), jnp.asarray(drawn.tokens)
    held = attention.held(attention.patterns(run, tokens))
    stream = activations.stacked(run, tokens, at, at=[f"blocks.0.{name}" for name in STREAM])
    mid = activations.stacked(run, tokens, at, at=["blocks.0.resid_mid"], edits=held)
    found = jnp.concatenate([stream, mid, activations.visible_embedding_sum(run, tokens, at)[None]])
    carry, _, control = labels(run.task, drawn)
    each = lambda source: jax.lax.map(lambda one: in_place(*one), (source, carry, control))
    batch = run.task.encode(drawn.a, drawn.b)
    exact = jnp.stack([run.scores(batch, edits).correct.all(-1) for edits in (None, held)])
    return jax.lax.map(each, found), exact


def by_least_squares(drawn: evaluation_sets.Problems, run: Run) -> Float[Array, "sites n"]:
    """The correlation ratio at both sites, cheap enough for every epoch."""
    at = [f"blocks.0.{site}" for site in SITES]
    stream = activations.stacked(run, jnp.asarray(drawn.tokens), own(run.task), at=at)
    carry = labels(run.task, drawn)[0]
    one = lambda activation, classes: (
        probes.held_out(2, activation, classes, jax.random.key(KEY), share=SHARE)[1].correlation_ratio
    )
    return jax.lax.map(lambda site: jax.vmap(one)(site, carry), stream)


def balanced(
    right: np.ndarray, of: Int[np.ndarray, "n T"], among: np.ndarray | None = None
) -> Float[np.ndarray, "*S n"]:
    """The balanced accuracy in every column, of all problems or of those `among` them [n, T]."""
    weights = even(of, among)
    return (np.asarray(right) * weights).sum(-1)


def even(of: Int[np.ndarray, "n T"], among: np.ndarray | None = None) -> Float[np.ndarray, "n T"]:
    """Weights with which both classes weigh the same in every column; they sum to 1."""
    kept = np.ones(of.shape, bool) if among is None else np.asarray(among, bool)
    found = np.stack(
        [((of == c) & kept) / np.maximum(((of == c) & kept).sum(1, keepdims=True), 1) for c in (0, 1)]
    )
    return found.sum(0) / np.maximum(found.sum(0).sum(1, keepdims=True), 1e-30)


def accuracy(
    quantity: str, right: np.ndarray, of: Int[np.ndarray, "n T"], among: np.ndarray | None = None
) -> Measured:
    """The balanced accuracy, mean over columns, with the errors of runs [S, n, T] and of problems."""
    kept = np.ones(of.shape, bool) if among is None else np.asarray(among, bool)
    weights, hits, parts = even(of, kept), np.asarray(right, float), []
    whole = balanced(hits, of, kept).mean(-1)[:, None]
    for column, in_column in enumerate(kept):
        own, classes = hits[:, column, in_column], of[column, in_column]
        # what a problem adds to the accuracy is told against its class, however many of the class there are
        for c in np.unique(classes):
            own[:, classes == c] -= own[:, classes == c].mean(1, keepdims=True)
        parts.append(own * weights[column, in_column] * kept.sum() / len(of) + whole)
    return crossed(quantity, np.concatenate(parts, 1), "")


def ratios(margin: Float[np.ndarray, "*S n T"], of: Int[np.ndarray, "n T"]) -> Float[np.ndarray, "*S n"]:
    """How much of the variance of a probe's output lies between carry and none, both weighing the same."""
    x = np.asarray(margin, float)
    zero, one = (
        (x * w).sum(-1) for w in ((of == c) / np.maximum((of == c).sum(1, keepdims=True), 1) for c in (0, 1))
    )
    weights = even(of)
    middle = (x * weights).sum(-1)
    whole = ((x - middle[..., None]) ** 2 * weights).sum(-1)
    return (one - zero) ** 2 / 4 / np.maximum(whole, 1e-30)


def way(quantity: str, margin: Float[np.ndarray, "S n T"], of: Int[np.ndarray, "n T"], base: int) -> Measured:
    """How far the correlation ratio, mean over columns, is on the way from linear in the tokens (0) to a
    carry (1), with the errors of runs and of problems: the latter by a jackknife of ten parts.
    """
    limit, parts = linear_limit(base), 10
    place = lambda kept: ratios(margin[..., kept], of[:, kept]).mean(1)
    size = of.shape[1]
    part = np.arange(size) * parts // size
    each = place(np.ones(size, bool))
    without = np.array([place(part != k).mean() for k in range(parts)])
    variance = each.var(ddof=1) / len(each) + (parts - 1) * without.var() if len(each) > 1 else np.nan
    reach = float(stats.t.ppf(0.975, max(min(len(each), parts) - 1, 1)) * np.sqrt(variance))
    scaled = lambda x: float((x - limit) / (1 - limit))
    middle = float(each.mean())
    low, high = (scaled(middle - reach), scaled(middle + reach)) if np.isfinite(reach) else (None, None)
    return Measured(quantity, scaled(middle), low, high, "", len(each))
