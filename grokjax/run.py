"""What is looked at: `Run`, a model with all that belongs to it, so that no reader can forget a part."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int, PyTree

from grokjax import keys, model, objective, tap, trees
from grokjax.config import Hyper, ModelConfig, Recipe, require_fit

Edits = tap.Edits
Names = tap.Names
Cache = tap.Cache


class Run(struct.PyTreeNode):
    """A model, trained, fresh or read, with its task, config, recipe and hyperparameters; or a stack of such.

    task, config, recipe: static, the same for all runs of a stack
    params, hyper: traced; of one run scalars and single tensors, of a stack every leaf begins with the run
      axis, [S, ...]

    A stack is picked from like an array, `runs[3]`, `runs[2:5]`, `runs[mask]`, and mapped over with
    `grokjax.map_runs` or `jax.vmap`. Everything that a run computes uses its own attention rate and matrix
    precision, and the places of abacus positions unshifted. Raises ValueError where config and task do not
    fit each other.
    """

    task: Any = struct.field(pytree_node=False)
    config: ModelConfig = struct.field(pytree_node=False)
    params: PyTree
    hyper: Hyper = dataclasses.field(default_factory=Hyper)
    recipe: Recipe = struct.field(pytree_node=False, default=Recipe())

    def __post_init__(self) -> None:
        require_fit(self.config, self.task)

    @classmethod
    def init(cls, task: Any, config: ModelConfig, recipe: Recipe, hyper: Hyper) -> "Run":
        """The run that a seed gives before its first step; for hypers [S] the stack of such runs."""
        hyper = jax.tree.map(jnp.asarray, hyper)
        if hyper.seed.ndim:
            return cls(task, config, _initial(config, hyper), hyper, recipe)
        params = _initial(config, jax.tree.map(lambda x: x[None], hyper))
        return cls(task, config, trees.pick(params, 0), hyper, recipe)

    # a stack
    @property
    def is_stack(self) -> bool:
        """Whether these are several runs, leaves [S, ...]."""
        return np.ndim(self.hyper.seed) > 0

    @property
    def num_runs(self) -> int:
        """S, the number of runs of a stack. Raises TypeError for one run."""
        if not self.is_stack:
            raise TypeError(f"{self!r} is one run, not a stack of runs")
        return int(np.shape(self.hyper.seed)[0])

    def __len__(self) -> int:
        return self.num_runs

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator["Run"]:
        return (self[i] for i in range(self.num_runs))

    def __getitem__(self, index: Any) -> "Run":
        """One run of a stack (an integer), or the stack of some (a slice, a list of integers, or a mask).

        One run lies on the default device, wherever the stack lies. Raises IndexError where there is none.
        """
        size = self.num_runs
        if isinstance(index, int | np.integer):
            if not -size <= index < size:
                raise IndexError(f"run {index} of {size} runs: it must be from {-size} to {size - 1}")
            return jax.tree.map(_on_default_device, trees.pick(self, index))
        return trees.pick(self, index if isinstance(index, slice) else np.asarray(index))

    def __repr__(self) -> str:
        count = lambda number, thing: f"{number} {thing}{'s' * (number > 1)}"
        c = self.config
        layers, heads = count(c.num_layers, "layer"), count(c.num_heads, "head")
        return f"{_who(self.hyper.seed)} of {described(self.task)}: {layers}, width {c.d_model}, {heads}"

    # what the model computes
    def forward(
        self, tokens: Int[Array, "B P"], *, read: Sequence[int] | None = None, tap: tap.Tap | None = None
    ) -> Float[Array, "B R V"]:
        """Logits at the positions `read` (None: at every position); `tap` sees every named activation."""
        if self.is_stack:
            raise ValueError(
                f"{self!r}: a stack computes nothing by itself: "
                "pick a run, runs[0], or lift a function of one run with map_runs"
            )
        with jax.default_matmul_precision(self.recipe.precision):
            params, rate = jax.tree.map(jnp.asarray, self.params), self.hyper.attention_rate
            return model.forward(self.config, params, tokens, read=read, tap=tap, attention_rate=rate)

    def logits(self, tokens: Int[Array, "B P"], edits: Edits | None = None) -> Float[Array, "B C V"]:
        """Logits of every answer, in reading order; `edits` are those of `run_with_cache`."""
        if edits is None:
            found = self.forward(tokens, read=self.task.read)
        else:
            found = self.run_with_cache(tokens, edits, names=())[0][..., np.asarray(self.task.read), :]
        return objective.by_answer(self.task, found)

    def run_with_cache(
        self, tokens: Int[Array, "B P"], edits: Edits | None = None, *, names: Names | None = None
    ) -> tuple[Float[Array, "B P V"], Cache]:
        """(logits at every position, activations by name after their edits).

        edits: functions of an activation by its name, `{"blocks.0.attn.z": lambda z: z.at[:, :, 2].set(0)}`
        names: what the cache keeps, a list or a predicate of the name; None keeps every activation
        Raises ValueError for a name that the model does not have, listing those that it has.
        """
        return tap.run_with_cache(self.forward, edits, names=names)(tokens)

    def cache(
        self, tokens: Int[Array, "B P"], edits: Edits | None = None, *, names: Names | None = None
    ) -> Cache:
        """Activations by name, after their edits: the second part of `run_with_cache`."""
        return self.run_with_cache(tokens, edits, names=names)[1]

    # how well it does
    def scores(self, batch: Any, edits: Edits | None = None) -> objective.Scores:
        """The loss in nats and whether the largest logit is the label's, [B, C] each, in reading order."""
        logits = self.logits(batch.tokens, edits)
        if self.recipe.intervenes("temperature"):
            logits = logits / self.hyper.temperature
        return objective.scored(self.recipe, logits, batch.labels)

    def loss(self, batch: Any, edits: Edits | None = None) -> Float[Array, ""]:
        """The mean loss of a batch over examples and answers, in nats."""
        return self.scores(batch, edits).loss.mean()


@functools.partial(jax.jit, static_argnums=0)
def _initial(config, hypers):
    """One run after another, as when it is alone."""
    one = lambda hyper: model.init(config, keys.stream(hyper.seed, "init"), hyper)
    return jax.lax.map(one, hypers)


def described(thing: Any) -> str:
    """A task, or another dataclass, with the fields that are not its defaults: `Addition(num_digits=2)`."""
    if not dataclasses.is_dataclass(thing):
        return repr(thing)
    given = [
        (field.name, getattr(thing, field.name))
        for field in dataclasses.fields(thing)
        if getattr(thing, field.name) != field.default
    ]
    return f"{type(thing).__name__}({', '.join(f'{name}={value!r}' for name, value in given)})"


def _on_default_device(leaf: Any) -> Any:
    return leaf if isinstance(leaf, jax.core.Tracer) else jnp.asarray(np.asarray(leaf))


def _who(seed: Any) -> str:
    if np.ndim(seed):
        return f"{np.shape(seed)[0]} runs"
    known = isinstance(seed, int | np.generic | np.ndarray | jax.Array) and not isinstance(
        seed, jax.core.Tracer
    )
    return f"run of seed {int(seed)}" if known else "a run"
