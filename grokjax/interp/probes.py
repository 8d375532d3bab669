"""Linear probes: fitted, scored on examples that were left out, compared with each other, and used to edit a
run.

A probe is an affine map of an activation [B, D] to one output per class. To leave examples out give them
weight 0 in the fit. Site, position, feature, epoch and run are axes for `vmap`: nothing here depends on them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from grokjax.interp import factorizations


class Probe(NamedTuple):
    """activation @ W + b."""

    W: Float[Array, "D classes"]
    b: Float[Array, " classes"]


class Score(NamedTuple):
    """Shares of right answers: of all examples, and the mean over the classes of each one's; the share of the
    largest class; and the
    correlation ratio: how much of the variance of the outputs lies between the classes, each class weighing
      the same.
    """

    accuracy: Float[Array, ""]
    balanced: Float[Array, ""]
    majority: Float[Array, ""]
    correlation_ratio: Float[Array, ""]


def outputs(probe: Probe, activation: Float[Array, "B D"]) -> Float[Array, "B classes"]:
    """What the probe says of every example; the largest is its answer."""
    with jax.default_matmul_precision("float32"):
        return activation @ probe.W + probe.b


def split(key: PRNGKeyArray, num_examples: int, share: float = 0.5) -> Bool[Array, " B"]:
    """True at a random `share` of the examples, to train on."""
    return jax.random.permutation(key, jnp.arange(num_examples) < round(share * num_examples))


def balanced(
    num_classes: int, classes: Int[Array, " B"], *, weights: Float[Array, " B"] | None = None
) -> Float[Array, " B"]:
    """Weights, made so that every class that occurs weighs the same; they sum to 1."""
    weights = _weights(weights, classes)
    of_class = jax.ops.segment_sum(weights, classes, num_classes)
    occurring = jnp.maximum((of_class > 0).sum(), 1)
    return weights / jnp.where(of_class > 0, of_class, 1)[classes] / occurring


def ridge(
    activation: Float[Array, "B D"],
    targets: Float[Array, "B classes"],
    *,
    weights: Float[Array, " B"] | None = None,
    penalty: float = 1e-3,
) -> Probe:
    """Least squares on the targets (classes one-hot, or any numbers) with `penalty` times the mean variance
    of a coordinate on |W|².

    In closed form; through the D × D or the B × B matrix, whichever is smaller.
    """
    with jax.default_matmul_precision("float32"):
        root, centre, x = _centred(activation, weights)
        middle = root**2 @ targets
        y = root[:, None] * (targets - middle)
        shift = penalty * _scale(x) * jnp.eye(min(x.shape))
        W = (
            x.T @ factorizations.solution(x @ x.T + shift, y)
            if x.shape[0] < x.shape[1]
            else factorizations.solution(x.T @ x + shift, x.T @ y)
        )
        return Probe(W, middle - centre @ W)


def logistic(
    activation: Float[Array, "B D"],
    targets: Float[Array, "B classes"],
    *,
    weights: Float[Array, " B"] | None = None,
    penalty: float = 1e-3,
    steps: int = 30,
) -> Probe:
    """Least cross-entropy with distributions (classes one-hot) under the same penalty / 2, by `steps` of
    L-BFGS.

    The steps are made in coordinates in which the activations have about unit covariance; the minimum is the
    same.
    """
    with jax.default_matmul_precision("float32"):
        root, centre, x = _centred(activation, weights)
        scale = _scale(x)
        whitener = factorizations.whitener(x.T @ x + (penalty + 1e-6) * scale * jnp.eye(x.shape[1]))
        white = (activation - centre) @ whitener

        def loss(state):
            logits = white @ state.W + state.b
            cross = -(targets * jax.nn.log_softmax(logits)).sum(-1)
            return root**2 @ cross + penalty * scale * ((whitener @ state.W) ** 2).sum() / 2

        zero = Probe(jnp.zeros((x.shape[1], targets.shape[1]), x.dtype), jnp.zeros(targets.shape[1], x.dtype))
        found = _minimum(loss, zero, steps)
        W = whitener @ found.W
        return Probe(W, found.b - centre @ W)


def score(
    probe: Probe,
    activation: Float[Array, "B D"],
    classes: Int[Array, " B"],
    *,
    weights: Float[Array, " B"] | None = None,
) -> Score:
    """How well the probe tells the classes apart on the examples of weight above 0."""
    num_classes = probe.b.shape[0]
    weights = _weights(weights, classes)
    said = outputs(probe, activation)
    right = said.argmax(-1) == classes
    even = balanced(num_classes, classes, weights=weights)
    hot = jax.nn.one_hot(classes, num_classes) * even[:, None]
    of_class = hot.sum(0)
    middle = even @ said
    means = (hot.T @ said) / jnp.where(of_class > 0, of_class, 1)[:, None]
    between, whole = of_class @ (means - middle) ** 2, even @ (said - middle) ** 2
    total = weights.sum()
    return Score(
        weights @ right / total,
        even @ right,
        jax.ops.segment_sum(weights, classes, num_classes).max() / total,
        between.sum() / jnp.maximum(whole, 1e-10 * even @ said**2).sum().clip(1e-30),
    )


def held_out(
    num_classes: int,
    activation: Float[Array, "B D"],
    classes: Int[Array, " B"],
    key: PRNGKeyArray,
    *,
    fit=ridge,
    share: float = 0.5,
) -> tuple[Probe, Score]:
    """A probe fitted by `fit` on a random `share` of the examples, classes weighing the same, and its score
    on the others.
    """
    train = split(key, len(classes), share)
    probe = fit(
        activation,
        jax.nn.one_hot(classes, num_classes),
        weights=balanced(num_classes, classes, weights=train),
    )
    return probe, score(probe, activation, classes, weights=~train)


def selectivity(score: Score, control: Score) -> Float[Array, ""]:
    """Balanced accuracy on the feature above that on its control task (Hewitt & Liang 2019,
    arXiv:1909.03368).
    """
    return score.balanced - control.balanced


def class_means(
    num_classes: int,
    activation: Float[Array, "B D"],
    classes: Int[Array, " B"],
    *,
    weights: Float[Array, " B"] | None = None,
) -> Float[Array, "D classes"]:
    """The mean activation of each class: where the activations go when the class changes, as a probe's W says
    where it looks.
    """
    with jax.default_matmul_precision("float32"):
        hot = jax.nn.one_hot(classes, num_classes) * _weights(weights, classes)[:, None]
        return activation.T @ (hot / jnp.maximum(hot.sum(0), 1e-30))


def _weights(weights, classes):
    return jnp.ones(classes.shape[0]) if weights is None else jnp.asarray(weights, jnp.float32)


def _centred(activation, weights):
    """Roots of weights that sum to 1, the mean, and centred activations times the roots."""
    weights = _weights(weights, activation)
    weights = weights / weights.sum()
    root, centre = jnp.sqrt(weights), weights @ activation
    return root, centre, root[:, None] * (activation - centre)


def _scale(x):
    """The mean variance of a coordinate; of activations that never vary, something."""
    return jnp.maximum((x**2).sum() / x.shape[1], 1e-20)


def _minimum(loss, start, steps):
    solver = optax.lbfgs(linesearch=optax.scale_by_zoom_linesearch(max_linesearch_steps=8))
    with_gradient = optax.value_and_grad_from_state(loss)

    def step(carry, _):
        at, state = carry
        value, slope = with_gradient(at, state=state)
        change, state = solver.update(slope, state, at, value=value, grad=slope, value_fn=loss)
        return (optax.apply_updates(at, change), state), None

    return jax.lax.scan(step, (start, solver.init(start)), None, length=steps)[0][0]
