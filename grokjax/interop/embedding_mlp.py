"""`EmbeddingMLP`: models of two tokens without attention, as others released them beside transformers."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int, PyTree

from grokjax import objective, tap
from grokjax.config import Hyper, Recipe, one_of
from grokjax.model.activations import ACTIVATION
from grokjax.run import described

COMBINATIONS = ("sum", "concatenate", "product")


class EmbeddingMLP(struct.PyTreeNode):
    """Embeds each token, combines the embeddings, and applies layers and an unembedding.

    task, combine, activation, recipe: static; combine is sum | concatenate | product
    params: W_E [V, D], or [P, V, D] where each position has its own table; hidden, a list of W [in, out] and
      b [out], each followed by the activation; W_U [out, V_out]
    hyper: traced

    It answers what a `Run` answers: `logits`, `scores`, `loss`, `forward`, `run_with_cache`. Its activations
    are embed [B, P, D], combined, mlp.l.pre and mlp.l.post. What reads heads does not take it.
    """

    task: Any = struct.field(pytree_node=False)
    combine: str = struct.field(pytree_node=False)
    params: PyTree
    hyper: Hyper = dataclasses.field(default_factory=Hyper)
    activation: str = struct.field(pytree_node=False, default="relu")
    recipe: Recipe = struct.field(pytree_node=False, default=Recipe())

    def __post_init__(self) -> None:
        one_of("combine", self.combine, COMBINATIONS)
        one_of("activation", self.activation, tuple(ACTIVATION))

    def __repr__(self) -> str:
        layers = len(self.params["hidden"])
        width = self.params["W_E"].shape[-1]
        what = f"{layers} layer{'s' * (layers != 1)} without attention, width {width}, {self.combine}"
        return f"model of {described(self.task)}: {what}"

    def forward(
        self, tokens: Int[Array, "B P"], *, read: Any = None, tap: tap.Tap | None = None
    ) -> Float[Array, "B 1 V"]:
        """Logits [B, 1, V]; there is one answer and no other position, so `read` is not looked at."""
        see = (lambda name, x: x) if tap is None else tap
        table = self.params["W_E"]
        rows = table[tokens] if table.ndim == 2 else table[jnp.arange(len(table)), tokens]
        embedded = see("embed", rows)
        with jax.default_matmul_precision(self.recipe.precision):
            if self.combine == "concatenate":
                x = embedded.reshape(*embedded.shape[:-2], -1)
            else:
                x = embedded.sum(-2) if self.combine == "sum" else embedded.prod(-2)
            x = see("combined", x)
            for layer, p in enumerate(self.params["hidden"]):
                x = see(f"mlp.{layer}.pre", x @ p["W"] + p["b"])
                x = see(f"mlp.{layer}.post", ACTIVATION[self.activation](x))
            return (x @ self.params["W_U"])[..., None, :]

    def logits(self, tokens: Int[Array, "B P"], edits: Any = None) -> Float[Array, "B 1 V"]:
        """Logits of the answer; with edits, those of the edited model."""
        return self.forward(tokens) if edits is None else self.run_with_cache(tokens, edits)[0]

    def run_with_cache(
        self, tokens: Int[Array, "B P"], edits: Any = None
    ) -> tuple[Float[Array, "B 1 V"], dict[str, Array]]:
        """(logits, every activation by name after its edit)."""
        return tap.run_with_cache(self.forward, edits)(tokens)

    def scores(self, batch: Any, edits: Any = None) -> objective.Scores:
        """Per example: the loss in nats, and whether the largest logit is the label's, both [B, 1]."""
        return objective.scored(self.recipe, self.logits(batch.tokens, edits), batch.labels)

    def loss(self, batch: Any, edits: Any = None) -> Float[Array, ""]:
        """The mean loss of a batch, in nats."""
        return self.scores(batch, edits).loss.mean()
