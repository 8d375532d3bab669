"""Linear probes: fitted, and scored on examples that were left out.

A probe is an affine map of an activation [B, D] to one output per class. To leave examples out give them
weight 0 in the fit. Site, position, feature, epoch and run are axes for `vmap`: nothing here depends on them.
What a probe found is compared and used for edits in `directions`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from grokjax.interp import factorizations

CONFIDENT = 0.03
"""The mean p (1 − p) of a logistic fit for which its steps are scaled."""


class Probe(NamedTuple):
    """An affine map, activation @ W + b: one output per class."""

    W: Float[Array, "D classes"]
    b: Float[Array, " classes"]


class Score(NamedTuple):
    """How well a probe tells classes apart.

    accuracy: the share of right answers;  balanced: the mean over the classes of each one's share
    majority: the share of the largest class
    correlation_ratio: how much of the outputs' variance lies between the classes, each weighing the same
    """

    accuracy: Float[Array, ""]
    balanced: Float[Array, ""]
    majority: Float[Array, ""]
    correlation_ratio: Float[Array, ""]


def outputs(probe: Probe, activation: Float[Array, "B D"]) -> Float[Array, "B classes"]:
    """Returns what the probe says of every example; the largest output is its answer."""
    with jax.default_matmul_precision("float32"):
        return activation @ probe.W + probe.b


def split(key: PRNGKeyArray, num_examples: int, share: float = 0.5) -> Bool[Array, " B"]:
    """Returns a mask that is True at a random `share` of the examples, to train on."""
    return jax.random.permutation(key, jnp.arange(num_examples) < round(share * num_examples))


def balanced(
    num_classes: int, classes: Int[Array, " B"], *, weights: Float[Array, " B"] | None = None
) -> Float[Array, " B"]:
    """Returns the weights scaled so that every class that occurs weighs the same; they sum to 1."""
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
    """Returns least squares on the targets (classes one-hot, or any numbers), in closed form.

    penalty: on |W|², as a share of the mean variance of a coordinate
    The solution goes through the D × D or the B × B matrix, whichever is smaller.
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


class Fit(NamedTuple):
    """A probe found by steps: how many they were, and the norm of the gradient where they ended.

    The gradient is in coordinates in which the fit is about round. It is above the tolerance that was asked
    for only where the fit has not converged.
    """

    probe: Probe
    steps: Int[Array, ""]
    gradient: Float[Array, ""]


def logistic(
    activation: Float[Array, "B D"],
    targets: Float[Array, "B classes"],
    *,
    weights: Float[Array, " B"] | None = None,
    penalty: float = 1e-3,
) -> Probe:
    """Returns the probe of `logistic_fit`, the least cross-entropy with distributions (classes one-hot)."""
    return logistic_fit(activation, targets, weights=weights, penalty=penalty).probe


def logistic_fit(
    activation: Float[Array, "B D"],
    targets: Float[Array, "B classes"],
    *,
    weights: Float[Array, " B"] | None = None,
    penalty: float = 1e-3,
    tolerance: float = 1e-4,
    max_steps: int = 1000,
) -> Fit:
    """Returns the least cross-entropy with distributions under half the penalty of `ridge`, by L-BFGS.

    tolerance: of the gradient's norm. At 1e-4 the loss is some 1e-6 nats above its minimum
    max_steps: where it ends unconverged; some 30 are needed where examples are many, some 100 where D is wide
    """
    with jax.default_matmul_precision("float32"):
        root, centre, x = _centred(activation, weights)
        scale = _scale(x)
        # about the Hessian at the minimum: wherever a fit is sure of its answers, p (1 - p) is small
        curvature = CONFIDENT * x.T @ x + (penalty + 1e-6) * scale * jnp.eye(x.shape[1])
        whitener = factorizations.whitener(curvature)
        white = (activation - centre) @ whitener

        def loss(state):
            logits = white @ state.W + state.b
            cross = -(targets * jax.nn.log_softmax(logits)).sum(-1)
            return root**2 @ cross + penalty * scale * ((whitener @ state.W) ** 2).sum() / 2

        zero = Probe(jnp.zeros((x.shape[1], targets.shape[1]), x.dtype), jnp.zeros(targets.shape[1], x.dtype))
        found, steps, gradient = _minimum(loss, zero, tolerance, max_steps)
        W = whitener @ found.W
        return Fit(Probe(W, found.b - centre @ W), steps, gradient)


def score(
    probe: Probe,
    activation: Float[Array, "B D"],
    classes: Int[Array, " B"],
    *,
    weights: Float[Array, " B"] | None = None,
) -> Score:
    """Returns how well the probe tells the classes apart on the examples of weight above 0."""
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
    """Returns a probe fitted on a random `share` of the examples, and its score on the others.

    fit: `ridge` or `logistic`; the classes weigh the same
    """
    train = split(key, len(classes), share)
    probe = fit(
        activation,
        jax.nn.one_hot(classes, num_classes),
        weights=balanced(num_classes, classes, weights=train),
    )
    return probe, score(probe, activation, classes, weights=~train)


def selectivity(score: Score, control: Score) -> Float[Array, ""]:
    """Returns the balanced accuracy on a feature above that on its control task.

    Hewitt & Liang 2019, arXiv:1909.03368.
    """
    return score.balanced - control.balanced


def class_means(
    num_classes: int,
    activation: Float[Array, "B D"],
    classes: Int[Array, " B"],
    *,
    weights: Float[Array, " B"] | None = None,
) -> Float[Array, "D classes"]:
    """Returns the mean activation of each class; 0 for a class that does not occur.

    They say where the activations go when the class changes, as a probe's W says where it looks.
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


def _minimum(loss, start, tolerance, max_steps):
    """Where L-BFGS ends, its steps, and the norm of the gradient there."""
    solver = optax.lbfgs(memory_size=20, linesearch=optax.scale_by_zoom_linesearch(max_linesearch_steps=16))
    with_gradient = optax.value_and_grad_from_state(loss)

    def step(carry):
        at, state, steps, _ = carry
        value, slope = with_gradient(at, state=state)
        change, state = solver.update(slope, state, at, value=value, grad=slope, value_fn=loss)
        norm = optax.tree.norm(optax.tree.get(state, "grad"))
        return optax.apply_updates(at, change), state, steps + 1, norm

    begun = (start, solver.init(start), jnp.zeros((), jnp.int32), jnp.asarray(jnp.inf, jnp.float32))
    goes_on = lambda carry: (carry[3] > tolerance) & (carry[2] < max_steps)
    at, _, steps, norm = jax.lax.while_loop(goes_on, step, begun)
    return at, steps, norm
