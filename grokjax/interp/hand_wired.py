"""Runs made by hand: an adder that is exact, and a pair of heads that does induction.

They are planted truths for every tool that looks inside.

`adder`: one layer, two heads of width 2, a stream of 9 dimensions and 2 (base − 1) neurons add two n-digit
numbers in sequence mode, the most significant digit first. With A the sum of the operands, s_j the answer
digits that are visible and k the column asked for,

    A − Σ_{j>k} s_j base^j = r,   0 ≤ r < base^(k+1),
    s_k = the number of m = 1 … base − 1 for which r ≥ m base^k.

No carry is ever computed: what the visible digits leave over says how far the carries came.
  - Attention forms r, since it can weigh a digit by its column: the score of a position is ln base^column,
    the value of a token its digit.
  - Head 0 sums the operands.
  - Head 1 sums the visible digits, which are subtracted. It pays the rest of its attention to `=`, whose
    digit is 0, so that a digit has the same weight whatever is visible.
  - Each pair of neurons is a step from 0 to 1 where r goes from m base^k − 1 to m base^k (both are integers);
    base^k stands in the position embedding. The steps sum to s_k.
  - W_U makes of a number s the logits −sharpness (v − s)², of which 2 v s − v² is linear in s.
For 5 digits in base 10 these are 18 neurons and 846 parameters, 160 of them not 0.

`induction`: two layers, attention only. Head `previous` of the first layer copies each token's identity to
the place after it. Head `inducing` of the second looks for places whose predecessor is the present token and
copies what stands there. The others are noise. The first token, which has no predecessor, counts as its own.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Key

from grokjax.config import ModelConfig
from grokjax.model import initializers
from grokjax.run import Run
from grokjax.tasks import Addition, Induction

DIGIT, ONE, OPERAND, ANSWER, EQUALS, REST, PLACE, LEFT_OVER, SUM = range(9)
"""The stream of the adder: the token's digit; 1; scores as an operand and as a visible digit; whether it is
`=`; the score of `=` for the query here; base^column of the digit that is read here; r; the answer."""
FITS = {1: 10**6, 3: 10**8}
"""base^(n+j) may be no more than FITS[j]: then float32 keeps the units of r, and of the sum of all neurons
with W_out folded into W_U.
"""
AWAY = -60.0
"""The score of what a head does not look at: e^-60 of a digit is nothing."""


def adder(task: Addition, *, sharpness: float = 10.0) -> Run:
    """A run that answers every problem of the task, by a margin of about `sharpness` nats.

    Raises ValueError unless the task is n-digit addition in sequence mode, most significant digit first with
    the leading one and without other options, and the numbers are no longer than FITS allows.
    """
    free = ("num_digits", "base", "batch_size", "outputs", "num_examples", "table_seed", "cascade")
    if task != Addition(**{name: getattr(task, name) for name in free}):
        raise ValueError(
            f"{task} has another format: the adder works in sequence mode, "
            "the most significant digit first, without options"
        )
    if any(task.base ** (task.num_digits + more) > most for more, most in FITS.items()):
        raise ValueError(
            f"base={task.base}, num_digits={task.num_digits}: "
            f"base^(n+1) must be at most {FITS[1]}, base^(n+3) {FITS[3]}"
        )
    config = ModelConfig.of(task, d_model=9, num_heads=2, d_head=2, d_mlp=2 * (task.base - 1))
    W_E, W_U = np.zeros((config.vocabulary, 9)), np.zeros((9, config.num_outputs))
    symbols = np.arange(config.num_outputs)
    W_E[: task.base, DIGIT], W_E[task.base + 1, EQUALS] = np.arange(task.base), 1
    W_U[SUM], W_U[ONE] = 2 * sharpness * symbols, -sharpness * symbols**2.0
    block = _adding_heads(task.base, task.num_digits) | _steps(task.base)
    params = dict(W_E=W_E, W_pos=_positions(task), blocks=[block], W_U=W_U)
    return Run(task, config, jax.tree.map(jnp.float32, params))


def _positions(task):
    """Scores are relative to the most significant column's: the heaviest digits' are the most exact."""
    n, log = task.num_digits, np.log(task.base)
    W_pos = np.zeros((task.num_positions, 9))
    W_pos[:, ONE], W_pos[:, [OPERAND, ANSWER]] = 1, AWAY
    for first in (0, n + 1):
        W_pos[first : first + n, OPERAND] = -np.arange(n) * log
    W_pos[task.num_prompt :, ANSWER] = -np.arange(n) * log
    W_pos[task.num_prompt - 1, ANSWER] = 0
    column = n - np.arange(n + 1)
    W_pos[task.num_prompt - 1 :, PLACE] = task.base**column
    W_pos[task.num_prompt - 1 :, REST] = (column + 1 - n) * log - np.log(task.base - 1)
    return W_pos


def _adding_heads(base, n):
    W_Q, W_K, W_V, W_O = (np.zeros(shape) for shape in [(9, 2, 2)] * 3 + [(2, 2, 9)])
    W_Q[ONE, :, 0] = W_Q[REST, 1, 1] = np.sqrt(2)  # scores are divided by the root of the width, 2
    W_K[OPERAND, 0, 0] = W_K[ANSWER, 1, 0] = W_K[EQUALS, 1, 1] = 1
    W_V[DIGIT, :, 0] = 1
    # the sum of the weights base^column of all operand digits
    W_O[0, 0, LEFT_OVER] = 2 * (base**n - 1) / (base - 1)
    # that of all answer digits and of endlessly many after them
    W_O[1, 0, LEFT_OVER] = -(base ** (n + 1)) / (base - 1)
    return dict(W_Q=W_Q, W_K=W_K, W_V=W_V, W_O=W_O)


def _steps(base):
    # a pair cancels to 1; a product that adds up every second or fourth neuron apart would round what is left
    # of large sums: so they stand in fours, four that rise and the four that fall
    rises = np.array(
        sorted(
            ((m, sign) for m in range(1, base) for sign in (1, -1)),
            key=lambda one: ((one[0] - 1) // 4, -one[1]),
        )
    )
    W_in, W_out = np.zeros((9, len(rises))), np.zeros((len(rises), 9))
    W_in[LEFT_OVER], W_in[PLACE], W_out[:, SUM] = 1, -rises[:, 0], rises[:, 1]
    return dict(W_in=W_in, b_in=(rises[:, 1] > 0).astype(float), W_out=W_out, b_out=np.zeros(9))


def induction(
    task: Induction,
    key: Key[Array, ""],
    *,
    previous: int = 0,
    inducing: int = 0,
    num_heads: int = 2,
    sharpness: float = 20.0,
    noise: float = 0.1,
) -> Run:
    """A run that finds every repeat: head `previous` of layer 0 and head `inducing` of layer 1 do it.

    Where the present token stood m times before, its successors share a logit of `sharpness`; elsewhere all
    that was seen shares it. The weights of the other heads are normal with standard deviation noise /
    sqrt(D). The stream: token, token before, place, what is said.
    """
    V, P = task.vocabulary, task.num_positions
    config = ModelConfig.of(
        task, num_layers=2, num_heads=num_heads, d_model=3 * V + P, d_head=max(V, P), mlp=False
    )
    params = jax.tree.map(lambda leaf: noise * np.array(leaf), initializers.init(config, key))
    token, before, said, place = np.arange(V), V + np.arange(V), 2 * V + np.arange(V), 3 * V + np.arange(P)
    first, second = params["blocks"]
    _wire(first, previous, config, sharpness, query=place[1:], key=place[:-1], value=token, output=before)
    _wire(second, inducing, config, sharpness, query=token, key=before, value=token, output=said)
    rows = lambda columns: np.eye(config.d_model)[columns]
    outward = dict(W_E=rows(token), W_pos=rows(place), W_U=sharpness * rows(said).T)
    return Run(task, config, jax.tree.map(jnp.float32, params | outward))


def _wire(block, head, config, sharpness, *, query, key, value, output):
    """One head: direction query[i] looks for key[i], value[i] is written as output[i]."""
    for name in ("W_Q", "W_K", "W_V"):
        block[name][:, head] = 0
    block["W_O"][head] = 0
    block["W_Q"][query, head, np.arange(len(query))] = sharpness * np.sqrt(config.head_width)
    block["W_K"][key, head, np.arange(len(key))] = 1
    block["W_V"][value, head, np.arange(len(value))] = 1
    block["W_O"][head, np.arange(len(output)), output] = 1


def widened(run: Run, key: Key[Array, ""], d_model: int) -> Run:
    """A run that computes the same in a wider stream and in a random basis: what was on an axis is on none.

    Raises ValueError with layer norm, which depends on the basis, without learned positions, or for a
    narrower stream.
    """
    config, params = run.config, run.params
    if config.layer_norm or config.positions != "learned" or d_model < config.d_model:
        raise ValueError(
            f"layer_norm={config.layer_norm}, positions={config.positions!r}, d_model={d_model}: "
            f"they must be False, 'learned' and at least {config.d_model}"
        )
    basis = jnp.linalg.qr(random.normal(key, (d_model, config.d_model)))[0]
    reads, writes = ("W_Q", "W_K", "W_V", "W_in", "W_U"), ("W_E", "W_pos", "W_O", "W_out", "b_out")
    turn = {name: lambda W: jnp.tensordot(basis, W, 1, precision="float32") for name in reads}
    turn |= {name: lambda W: jnp.tensordot(W, basis.T, 1, precision="float32") for name in writes}
    turned = lambda tensors: {
        name: turn.get(name, jnp.asarray)(W) for name, W in tensors.items() if name != "blocks"
    }
    wide = dataclasses.replace(config, d_model=d_model, d_head=config.head_width, d_mlp=config.mlp_width)
    blocks = [turned(block) for block in params["blocks"]]
    return run.replace(config=wide, params=turned(params) | dict(blocks=blocks))
