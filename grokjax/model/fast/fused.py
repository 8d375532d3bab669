"""Loss and gradient with the least arithmetic, for every config where that is exact: any without layer norm.

The last residual stream is read only through W_U, so with mid = X @ tables, the stream before the last MLP at
the read positions,
    logits = act(X @ T + b_in) @ (W_out @ W_U) + X @ U + (b_out @ W_U + b_U),     T = tables @ W_in,   U =
    tables @ W_U,
and neither the last stream nor, in a model of one layer, the stream before it is formed (`lookup`). The loss,
its derivative and the products of both are written by hand, over chunks of rows that stay in a core's cache,
each product oriented as a CPU likes it.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, PyTree

from grokjax.config import ModelConfig
from grokjax.model.activations import ACTIVATION
from grokjax.model.fast.arithmetic import contract
from grokjax.model.fast.layers import read_stream
from grokjax.model.fast.stream import Stream, cutting, through

Weights = dict[str, Array]


def accepts(config: ModelConfig, task: Any) -> bool:
    """Whether `mean_loss` is exact for this config and task; what it refuses runs the plain program."""
    return not config.layer_norm and symbols(config, task) > 1


def symbols(config: ModelConfig, task: Any) -> int:
    """Logits of one answer: where a position emits several answers (parallel mode), its outputs are cut into
    equal parts.
    """
    return config.num_outputs * len(task.read) // len(task.columns)


def mean_loss(
    config: ModelConfig,
    task: Any,
    params: PyTree,
    batch: Any,
    attention_rate: Array | float = 1.0,
    offset: Array | int = 0,
) -> tuple[Float[Array, ""], Float[Array, "B C"], Bool[Array, "B C"]]:
    """(mean nats, nats per example and answer, whether the largest logit is the label's).

    The mean is differentiable by `params`, and by nothing else; its gradient is made in the forward pass.
    `offset` is abacus's.
    """
    stream = read_stream(config, task, params, batch.tokens, attention_rate, offset)
    labels = batch.labels.reshape(len(stream.gathered), -1)
    mean, loss, correct = scored(
        config, stream, labels, symbols(config, task), weights_of(config, params, stream)
    )
    return mean, loss.reshape(batch.labels.shape), correct.reshape(batch.labels.shape)


def weights_of(config: ModelConfig, params: PyTree, stream: Stream) -> Weights:
    """What X is multiplied by: U [f+c, O] and, with an MLP, T [f+c, M] and W [O, M] = (W_out @ W_U)ᵀ, with
    the biases in T and U.
    """
    p, W_U, b_U = params["blocks"][-1], params["W_U"], params.get("b_U", 0.0)
    if not config.mlp:
        return dict(U=through(stream, W_U, b_U))
    return dict(
        U=through(stream, W_U, p["b_out"] @ W_U + b_U),
        T=through(stream, p["W_in"], p["b_in"]),
        W=contract(W_U, p["W_out"], 0, 1),
    )


def scored(
    config: ModelConfig, stream: Stream, labels: Int[Array, "N A"], symbols: int, weights: Weights
) -> tuple[Float[Array, ""], Float[Array, "N A"], Bool[Array, "N A"]]:
    """(mean loss, losses, correctness) of the logits; A answers of `symbols` logits each in a row."""
    N, (C, O) = len(labels), weights["U"].shape
    cut, joined = cutting(N, C + O + config.mlp * config.mlp_width)
    rows = (stream.gathered, stream.fixed, labels, jnp.full((N, 1), 1 / labels.size))
    mean, losses, correct = evaluate(config, symbols, weights, *map(cut, rows))
    return mean, joined(losses), joined(correct)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def evaluate(config: ModelConfig, symbols: int, weights: Weights, *rows: Array) -> tuple[Array, Array, Array]:
    """(weighted mean loss, losses, correctness); `rows` are those of `forward`, cut.

    It is differentiable by the weights and by what was gathered, through the mean alone. `_evaluate` makes
    both gradients in the forward pass, chunk by chunk, while the chunk's activations are in the cache; the
    pullback only multiplies them by the number that comes back.
    """
    losses, correct = lax.scan(lambda _, rows: (_, forward(config, symbols, weights, *rows)[0]), None, rows)[
        1
    ]
    return (losses * rows[3]).sum(), losses, correct


def _evaluate(config, symbols, weights, *rows):
    first = rows[1].shape[-1]
    back = {
        name: weights[name][first:] for name in ("U", "T") if name in weights
    }  # cut here, not again in every chunk

    def body(sums, rows):
        out, gradients = chunk(config, symbols, weights, back, *rows)
        return jax.tree.map(jnp.add, sums, gradients), out

    sums, (losses, correct, g_gathered) = lax.scan(body, jax.tree.map(jnp.zeros_like, weights), rows)
    return ((losses * rows[3]).sum(), losses, correct), (sums, g_gathered)


def _evaluate_pullback(config, symbols, gradients, g):
    return *jax.tree.map(lambda x: x * g[0], gradients), None, None, None


evaluate.defvjp(_evaluate, _evaluate_pullback)


def forward(
    config: ModelConfig,
    symbols: int,
    weights: Weights,
    gathered: Array,
    fixed: Array,
    labels: Array,
    weight: Array,
) -> tuple[tuple[Array, Array], tuple[Array, Array, Any]]:
    """((losses, correctness), (X, gradient by the logits [O, n], the activations and their derivative)) of n
    rows.
    """
    X, mlp = jnp.concatenate([fixed, gathered], 1), None
    logits = contract(weights["U"], X, 0, 1)
    if config.mlp:
        mlp = ACTIVATION[config.activation].pulled(contract(X, weights["T"], 1, 0))
        logits = logits + contract(weights["W"], mlp[0], 1, 1)
    losses, correct, g = loss_and_gradient(logits.reshape(-1, symbols, len(X)), labels.T, weight.T)
    return (losses.T, correct.T), (X, g.reshape(-1, len(X)), mlp)


def chunk(
    config: ModelConfig, symbols: int, weights: Weights, back: Weights, *rows: Array
) -> tuple[tuple[Array, ...], Weights]:
    """((losses, correctness, gradient by the gathered), gradients by the weights) of n rows.

    back: the rows of T and U that belong to what was gathered

    With X = [fixed | gathered] [n, C], pre = X @ T [n, M], post = act(pre), and g [O, n] the gradient by the
    transposed logits, logitsᵀ = Uᵀ @ Xᵀ + W @ postᵀ, where W = (W_out @ W_U)ᵀ [O, M]:

        by U         (g @ X)ᵀ            by W     g @ post
        by pre       h = act'(pre) * (gᵀ @ W)     by T     Xᵀ @ h
        by gathered  gᵀ @ U_gatheredᵀ + h @ T_gatheredᵀ

    The logits are held transposed, [O, n]: O is about 10, and a loop along n fills whole vector registers; in
    a product over rows, g with its O columns is the small side, which stands first.
    """
    scores, (X, g, mlp) = forward(config, symbols, weights, *rows)
    g_gathered, gradients = contract(g, back["U"], 0, 1), dict(U=contract(g, X, 1, 0).T)
    if mlp:
        post, pull = mlp
        g_pre = pull(contract(g, weights["W"], 0, 0))
        g_gathered = g_gathered + contract(g_pre, back["T"], 1, 1)
        gradients |= dict(T=contract(X, g_pre, 0, 0), W=contract(g, post, 1, 0))
    return (*scores, g_gathered), gradients


def loss_and_gradient(
    logits: Float[Array, "A V n"], labels: Int[Array, "A n"], weight: Float[Array, "1 n"]
) -> tuple[Float[Array, "A n"], Bool[Array, "A n"], Float[Array, "A V n"]]:
    """Cross-entropy in nats, correctness, and the gradient by the logits times `weight`.

    The odds are o_v = logit_v - logit_label for v other than the label, a = logsumexp(o), and the loss is
    softplus(a), as in objective.cross_entropy, which keeps its relative precision. Its gradient is
    sigmoid(a) softmax(o)_v by another logit and -sigmoid(a) by the label's.
    """
    is_label = jnp.arange(logits.shape[1])[:, None] == labels[:, None]
    own = jnp.where(is_label, logits, 0).sum(1, keepdims=True)
    odds = jnp.where(is_label, -jnp.inf, logits - own)
    largest = odds.max(1, keepdims=True)
    e = jnp.exp(odds - largest)
    total = e.sum(1, keepdims=True)
    against = largest + jnp.log(total)
    wrong = weight[:, None] * jax.nn.sigmoid(against)
    return jax.nn.softplus(against)[:, 0], largest[:, 0] < 0, jnp.where(is_label, -wrong, e * (wrong / total))
