"""The last block alone, at the positions that are read: the short program behind `ablation`.

What comes before the last attention layer is computed once; after it only the rows that feed an answer are.
`logits(run, after_attention(run, tokens)[0])` are the run's own.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from grokjax import objective
from grokjax.model import transformer
from grokjax.run import Run
from grokjax.tap import untouched


def after_attention(
    run: Run, tokens: Int[Array, "B P"]
) -> tuple[Float[Array, "B R D"], Float[Array, "B R H D"]]:
    """(what the last block's attention leaves where the task reads, what each of its heads has added)."""
    config, params = run.config, run.params
    last, place, read = config.num_layers - 1, np.arange(tokens.shape[1]), np.asarray(run.task.read)
    p = params["blocks"][last]
    heads: dict[str, Array] = {}

    def record(name: str, x: Array) -> Array:
        return heads.setdefault(name, x)

    with jax.default_matmul_precision("float32"):
        if last:
            name = f"blocks.{last}.resid_pre"
            stream = run.cache(tokens, names=[name])[name]
        else:
            stream = transformer.embed(config, params, tokens, 0, untouched)
        if last or config.layer_norm:
            project = transformer.normalized(config, p, "ln1", stream, untouched)
        else:
            project = transformer.table_projection(config, params, tokens, 0)
        out = transformer.attend(config, p, project, (read, place), run.hyper.attention_rate, record)
    return stream[:, read] + out, heads["attn.result"]


def logits(run: Run, stream: Float[Array, "B R D"]) -> Float[Array, "B C V"]:
    """The logits of every answer, from what the last block's attention leaves."""
    config, params = run.config, run.params
    p = params["blocks"][-1]
    with jax.default_matmul_precision("float32"):
        if config.mlp and not config.layer_norm:
            return objective.by_answer(run.task, transformer.folded(config, p, params, stream))
        if config.mlp:
            project = transformer.normalized(config, p, "ln2", stream, untouched)
            stream = stream + transformer.mlp(config, p, project, untouched)
        return objective.by_answer(run.task, transformer.unembed(config, params, stream, untouched))


def neurons(run: Run, stream: Float[Array, "B R D"]) -> Float[Array, "B R M"]:
    """The activations of the last block's neurons, from what its attention leaves; without layer norm."""
    p = run.params["blocks"][-1]
    with jax.default_matmul_precision("float32"):
        return transformer.ACTIVATION[run.config.activation](stream @ p["W_in"] + p["b_in"])


def neuron_logits(run: Run) -> Float[Array, "M C V"]:
    """What each of the last block's neurons, at activation 1, adds to the logits of every answer."""
    num_answers, num_read = len(run.task.columns), len(run.task.read)
    with jax.default_matmul_precision("float32"):
        writes = run.params["blocks"][-1]["W_out"] @ run.params["W_U"]
    # parallel mode: the outputs of one position are several answers
    by_answer = writes.reshape(len(writes), num_answers // num_read, -1)
    return jnp.tile(by_answer, (1, num_read, 1))


def log_odds_without(
    against: Float[Array, "V C B"],
    labels: Int[Array, "C B"],
    change: Float[Array, "R B"],
    writes: Float[Array, "C V"],
) -> tuple[Float[Array, "C B"], Array]:
    """(log-odds against the right answer, whether another symbol is ahead) when one neuron is changed.

    against: log-odds of every symbol against the label before, -inf at the label
    change: of the neuron's activation;  writes: its row of `neuron_logits`
    Symbols come first and examples last, so that every sum over the few symbols runs along the examples.
    """
    symbols = range(len(against))
    own = sum(jnp.where(labels == symbol, writes[:, symbol, None], 0) for symbol in symbols)
    each_change = jnp.repeat(change, len(labels) // len(change), 0)
    # one symbol after another, not a reduction over them: XLA makes a single loop over the examples of this
    moved = [against[symbol] + each_change * (writes[:, symbol, None] - own) for symbol in symbols]
    most = functools.reduce(jnp.maximum, moved)
    return most + jnp.log(sum(jnp.exp(x - most) for x in moved)), most >= 0
