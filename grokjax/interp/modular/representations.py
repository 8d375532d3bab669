"""What each frequency or irreducible representation does in a run, one number for each.

The measures are those of Chughtai, Chan & Nanda 2023 (arXiv:2302.03025), for composition in any group; in a
cyclic one a representation is a frequency. `components.of_task(task).names` names them.

Of all runs at all saved epochs, leaves [E, S, F]:

    train = modular.grid.training_rows(sweep.runs())
    gj.map_epochs(sweep, modular.representations.measures, own=[train])
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from grokjax.interp.modular import components, grid
from grokjax.objective import cross_entropy
from grokjax.run import Run


class Representations(NamedTuple):
    """Of each of the F components of a run; shares from 0 to 1, losses in nats.

    similarity: the cosine between the logits and χ(x y c^-1) over all triples
    restricted_loss: on all pairs, of the logits along that character and nothing else
    excluded_loss: on the training pairs, of the logits without it
    embedding_x, embedding_y: its share of the embedding of the first and of the second operand
    unembedding: its share of the map from the last layer's neurons (without an MLP: the residual stream) to
      the logits
    neurons_x, neurons_y, neurons_xy: its share of the neurons' variance over pairs, as functions of the first
      operand alone, of the second alone, of the answer alone
    """

    similarity: Float[Array, " F"]
    restricted_loss: Float[Array, " F"]
    excluded_loss: Float[Array, " F"]
    embedding_x: Float[Array, " F"]
    embedding_y: Float[Array, " F"]
    unembedding: Float[Array, " F"]
    neurons_x: Float[Array, " F"]
    neurons_y: Float[Array, " F"]
    neurons_xy: Float[Array, " F"]


def measures(run: Run, train: Bool[Array, " N"]) -> Representations:
    """Returns what each component does, from one pass over the table.

    train: which rows of the table the run was trained on, `grid.training_rows`
    Raises ValueError for tasks whose answers are not the products of a group.
    """
    n, known, seen = run.task.num_symbols, components.of_task(run.task), grid.of(run)
    logits, labels = seen.logits.reshape(n * n, n), jnp.asarray(grid.every(run.task).labels[:, 0])
    _, along, characters = components.of_logits(known, logits, labels)
    length = jnp.sqrt(n * jnp.asarray(known.ranks, logits.dtype))
    shown = jnp.asarray(train, logits.dtype)
    without = lambda part: shown @ cross_entropy(logits - part[labels], labels) / shown.sum()
    x, y, xy = _neurons(known, seen.neurons, labels)
    rows = run.params["W_E"]
    return Representations(
        similarity=along * length / jnp.linalg.norm(logits - logits.mean(1, keepdims=True)),
        restricted_loss=jax.lax.map(lambda part: cross_entropy(part, jnp.arange(n)).mean(), characters),
        excluded_loss=jax.lax.map(without, characters),
        embedding_x=_shares(known, rows[:n]),
        embedding_y=_shares(known, rows[n : 2 * n] if run.task.two_vocabularies else rows[:n]),
        unembedding=_shares(known, _to_logits(run).T),
        neurons_x=x,
        neurons_y=y,
        neurons_xy=xy,
    )


def _neurons(known, neurons, labels):
    """The shares of functions of x, of y and of the answer in the variance of the neurons [n, n, M]."""
    n, centred = len(neurons), neurons - neurons.mean((0, 1))
    of_answer = jnp.zeros_like(centred[0]).at[labels].add(centred.reshape(n * n, -1)) / n
    whole = (centred**2).sum() / n
    return [_shares(known, part, whole) for part in (centred.mean(1), centred.mean(0), of_answer)]


def _to_logits(run):
    """W_out W_U of the n symbols; without an MLP W_U."""
    unembed = run.params["W_U"][:, : run.task.num_symbols]
    return run.params["blocks"][-1]["W_out"] @ unembed if run.config.mlp else unembed


def _shares(known, rows, whole=None):
    """The share of each component in rows [n, ...]: the norm of its projection over the whole."""
    with jax.default_matmul_precision("float32"):
        parts = jnp.einsum("fgh,hd->fgd", jnp.asarray(known.projections, rows.dtype), rows)
    whole = (rows**2).sum() if whole is None else whole
    return jnp.where(whole > 0, (parts**2).sum((1, 2)) / jnp.where(whole > 0, whole, 1), 0.0)
