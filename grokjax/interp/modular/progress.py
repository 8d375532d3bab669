"""Progress measures: how far a run's solution is built, before its test loss shows it.

The definitions are those of Nanda et al. 2023 (arXiv:2301.05217), and of Chughtai, Chan & Nanda 2023
(arXiv:2302.03025) for groups, where an irreducible representation takes the place of a frequency. A component
is one frequency or one representation, see `components`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from grokjax.interp import fourier
from grokjax.interp.modular import components, grid
from grokjax.objective import cross_entropy
from grokjax.run import Run
from grokjax.trees import named_leaves


class Clusters(NamedTuple):
    """Neurons by the component that explains most of their activation.

    component: [M] its index among the components;  share: [M] of the neuron's variance that it explains
    counts: [F] neurons of each component;  counts_above: [F] those whose share is at least the threshold
    """

    component: Int[Array, " M"]
    share: Float[Array, " M"]
    counts: Int[Array, " F"]
    counts_above: Int[Array, " F"]


class Measures(NamedTuple):
    """The progress measures of one run; losses in nats, F components, keys those that the run uses.

    loss, loss_train, loss_test: over the n symbols, on all pairs, on the training pairs, on the others
    accuracy: share of all pairs that are right
    keys: [F] which components are key, see `measures`
    clusters: of the neurons
    restricted_loss: on all pairs, with nothing but the key components of the logits and their mean over pairs
    excluded_loss: on the training pairs, without the key components of the logits, as functions of the answer
      ("2D": cos w(a+b), sin w(a+b); for a group the isotypic part)
    excluded_character_loss: the same without their components along χ(x y c^-1) alone ("3D": cos w(a+b−c))
    excluded_by_component, excluded_character_by_component: [F] without one component each
    coefficients: [F] of the logits along the unit arrays χ(x y c^-1)
    explained: the share of the logits' variance over pairs in the key components
    explained_by_neurons: the share of the neurons' variance in the component of each
    sum_of_squares: of all weights
    """

    loss: Float[Array, ""]
    loss_train: Float[Array, ""]
    loss_test: Float[Array, ""]
    accuracy: Float[Array, ""]
    keys: Bool[Array, " F"]
    clusters: Clusters
    restricted_loss: Float[Array, ""]
    excluded_loss: Float[Array, ""]
    excluded_character_loss: Float[Array, ""]
    excluded_by_component: Float[Array, " F"]
    excluded_character_by_component: Float[Array, " F"]
    coefficients: Float[Array, " F"]
    explained: Float[Array, ""]
    explained_by_neurons: Float[Array, ""]
    sum_of_squares: Float[Array, ""]


def clusters(run: Run, *, threshold: float = 0.85) -> Clusters:
    """Returns each neuron's component; the neurons are those of the last layer, where the answer is read."""
    return _clusters(components.of_task(run.task), grid.of(run).neurons, threshold)


def measures(
    run: Run,
    train: Bool[Array, " N"],
    *,
    key_share: float = 0.0,
    key_count: int = 1,
    threshold: float = 0.85,
    keys: Bool[Array, " F"] | None = None,
) -> Measures:
    """Returns all progress measures of a run, from one pass over the table, against its true answers.

    train: which rows of the table it was trained on, `grid.training_rows`
    key_share, key_count: a component is key where at least `key_count` neurons belong to it, each with at
      least this share of its variance (the released notebooks take every component of any neuron)
    threshold: of `Clusters.counts_above`
    keys: the key components where they are known already, such as those of the trained run for its past
    """
    n, seen, known = run.task.num_symbols, grid.of(run), components.of_task(run.task)
    logits, labels = seen.logits.reshape(n * n, -1), jnp.asarray(grid.every(run.task).labels[:, 0])
    own = _clusters(known, seen.neurons, threshold)
    if keys is None:
        keys = _counts(own, own.share >= key_share, len(known.names)) >= key_count
    parts, along, characters = components.of_logits(known, logits, labels)
    chosen = lambda each: jnp.where(jnp.asarray(keys)[:, None, None], each, 0).sum(0)
    losses, centre, kept = cross_entropy(logits, labels), logits.mean(0), chosen(parts)
    shown = jnp.asarray(train, logits.dtype)
    without = lambda part: _mean(cross_entropy(logits - part[labels], labels), shown)
    return Measures(
        loss=losses.mean(),
        loss_train=_mean(losses, shown),
        loss_test=_mean(losses, 1 - shown),
        accuracy=(logits.argmax(-1) == labels).mean(),
        keys=jnp.asarray(keys),
        clusters=own,
        restricted_loss=cross_entropy(kept + centre, jnp.arange(n)).mean(),
        excluded_loss=without(kept),
        excluded_character_loss=without(chosen(characters)),
        excluded_by_component=jax.lax.map(without, parts),
        excluded_character_by_component=jax.lax.map(without, characters),
        coefficients=along * jnp.sqrt(n * jnp.asarray(known.ranks, logits.dtype)),
        explained=n * (kept**2).sum() / ((logits - centre) ** 2).sum(),
        explained_by_neurons=_overall(own, seen.neurons),
        sum_of_squares=jnp.asarray(sum((leaf**2).sum() for leaf in jax.tree.leaves(run.params))),
    )


def gini_of_embedding(run: Run) -> Float[Array, ""]:
    """Returns the Gini coefficient of the Fourier norms of W_E over the residues, the constant left out."""
    n = _modulus(run)
    return fourier.gini(fourier.row_norms(run.params["W_E"][:n], n)[1:])


def gini_of_logit_weights(run: Run) -> Float[Array, ""]:
    """Returns the same of W_L = W_out W_U, from the last layer's neurons to the residues."""
    n = _modulus(run)
    weights = run.params["blocks"][-1]["W_out"] @ run.params["W_U"][:, :n]
    return fourier.gini(fourier.row_norms(weights, n, axis=1)[1:])


def sums_of_squares(run: Run) -> dict[str, Float[Array, ""]]:
    """Returns the sum of squares of every weight tensor, by its name (blocks.0.W_Q)."""
    return {name: (leaf**2).sum() for name, leaf in named_leaves(run.params).items()}


def _modulus(run):
    """The number of residues of a cyclic task; ValueError for others, whose symbols have no spectrum."""
    components.of_task(run.task)
    if getattr(run.task, "group", "C")[0] != "C":
        raise ValueError(f"group={run.task.group!r} is not cyclic: its embedding has no Fourier spectrum")
    return run.task.num_symbols


def _mean(values, weights):
    return weights @ values / weights.sum()


def _clusters(known, neurons, threshold):
    """The share of each component: its functions of x alone, of y alone, and their products."""
    constant = np.full((1, len(neurons)), len(neurons) ** -0.5)
    rows = jnp.asarray(np.concatenate([constant, known.basis]), neurons.dtype)
    with jax.default_matmul_precision("float32"):
        energy = jnp.einsum("ix,jy,xym->ijm", rows, rows, neurons) ** 2
        energy = energy.at[0, 0].set(0.0)
        # [F, rows]: the constant and a component's own functions
        of_component = known.owner == np.arange(len(known.names))[:, None]
        own = jnp.asarray(np.pad(of_component, ((0, 0), (1, 0)), constant_values=True), neurons.dtype)
        each = jnp.einsum("fi,fj,ijm->fm", own, own, energy)
    whole = energy.sum((0, 1))
    shares = jnp.where(whole > 0, each / jnp.where(whole > 0, whole, 1), 0.0)
    component, share = shares.argmax(0), shares.max(0)
    found, number = Clusters(component, share, component, component), len(known.names)
    every, above = (_counts(found, chosen, number) for chosen in (share > 0, share >= threshold))
    return found._replace(counts=every, counts_above=above)


def _counts(found, chosen, number):
    """How many of the chosen neurons, dead ones left out, each component has."""
    return jnp.zeros(number, int).at[found.component].add(chosen & (found.share > 0))


def _overall(own, neurons):
    energy = ((neurons - neurons.mean((0, 1))) ** 2).sum((0, 1))
    return (own.share * energy).sum() / energy.sum()
