"""The knobs of a run: ModelConfig and Recipe are static (a new value compiles anew), Hyper is traced."""

import dataclasses
from collections.abc import Callable
from typing import Any

from flax import struct

from grokjax.annotations import require_types

POSITIONS = ("learned", "sinusoidal", "none", "rope", "abacus", "fire")
ATTENTIONS = ("live", "uniform", "positional")
ACTIVATIONS = ("relu", "gelu")
MASKS = ("causal", "full")
DISTRIBUTIONS = ("normal", "uniform")
OPTIMIZERS = ("adamw", "adam", "sgd")
SCHEDULES = ("constant", "cosine")
DIGIT_ORDERS = ("msb", "lsb")

TENSORS = ("W_E", "W_pos", "W_Q", "W_K", "W_V", "W_O", "W_in", "W_out", "W_U")
"""The weights that have an init scale of their own, `Hyper.scale_NAME`."""
FREEZABLE = (*TENSORS, "b_in", "b_out", "b_U", "attn_logits", "fire", "ln")
"""The names that `frozen` takes: bit i of `Hyper.frozen` holds every tensor of that name as it began."""


def one_of(name: str, value: Any, allowed: tuple[str, ...], more: tuple[str, ...] = ()) -> None:
    """Raise a ValueError that names the field, the value, what is allowed, and what more is in words."""
    if value not in allowed:
        raise ValueError(f"{name}={value!r} must be one of {', '.join((*allowed, *more))}")


def at_least(name: str, value: Any, least: int) -> None:
    """The same for an integer with a lower bound."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name}={value!r} must be an integer of at least {least}")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What changes a shape or the program of the transformer; `ModelConfig.of(task, d_model=64)` makes it.

    Each field, one line; a task fixes vocabulary, num_positions, num_outputs, base and order:

    vocabulary: number of token ids
    num_positions: tokens that the model reads
    num_outputs: logits at each position that is read
    num_layers: at least 1
    d_model: width of the residual stream, a multiple of the heads unless d_head is given
    num_heads: of each layer
    d_head: width of a head; none: d_model / heads
    d_mlp: neurons of each layer; none: 4 d_model
    mlp: each layer has an MLP; without it the model is attention only
    activation: relu | gelu (the exact one, with erf)
    attention: live | uniform (equal weights on what is visible) | positional (learned, whatever the tokens)
    mask: causal | full
    layer_norm: before attention, MLP and unembedding
    unembed_bias: the logits have a bias
    positions: learned | sinusoidal | none | rope | abacus (index within each number) | fire
    max_offset: abacus: largest random offset of a training step, in positions
    base: abacus: of the digits that it indexes
    order: abacus: of the answer's digits, msb | lsb
    init: normal | uniform, of the same variance
    """

    vocabulary: int = 12
    num_positions: int = 17
    num_outputs: int = 10
    num_layers: int = 1
    d_model: int = 128
    num_heads: int = 4
    d_head: int | None = None
    d_mlp: int | None = None
    mlp: bool = True
    activation: str = "relu"
    attention: str = "live"
    mask: str = "causal"
    layer_norm: bool = False
    unembed_bias: bool = False
    positions: str = "learned"
    max_offset: int = 20
    base: int = 10
    order: str = "msb"
    init: str = "normal"

    def __post_init__(self):
        require_types(self)
        for name in ("vocabulary", "num_positions", "num_outputs", "num_layers", "d_model", "num_heads"):
            at_least(name, getattr(self, name), 1)
        for name in ("d_head", "d_mlp"):
            if getattr(self, name) is not None:
                at_least(name, getattr(self, name), 1)
        at_least("max_offset", self.max_offset, 0)
        for name, allowed in (
            ("activation", ACTIVATIONS),
            ("attention", ATTENTIONS),
            ("mask", MASKS),
            ("positions", POSITIONS),
            ("init", DISTRIBUTIONS),
            ("order", DIGIT_ORDERS),
        ):
            one_of(name, getattr(self, name), allowed)
        if self.d_head is None and self.d_model % self.num_heads:
            raise ValueError(
                f"d_model={self.d_model} must be a multiple of num_heads={self.num_heads}, or set d_head"
            )
        if self.positions == "rope" and self.head_width % 2:
            raise ValueError(f"positions='rope' rotates pairs: the head width {self.head_width} must be even")

    @classmethod
    def of(cls, task: Any, **options: Any) -> "ModelConfig":
        """The config of a model for a task: its sizes follow from the task, `options` are any other fields.

        Raises ValueError for an option that follows from the task, TypeError for a field that does not exist.
        """
        sizes = sizes_of(task)
        if given := sorted(set(options) & set(sizes)):
            name = given[0]
            raise ValueError(
                f"{name}={options[name]!r} cannot be set: it follows from the task, which has {sizes[name]!r}"
            )
        return cls(**sizes, **options)

    @property
    def head_width(self) -> int:
        """K, the width of a head."""
        return self.d_model // self.num_heads if self.d_head is None else self.d_head

    @property
    def mlp_width(self) -> int:
        """M, the number of neurons of a layer."""
        return 4 * self.d_model if self.d_mlp is None else self.d_mlp


SIZES = ("vocabulary", "num_positions", "num_outputs")
DIGITS = ("base", "order")
"""What a model and its task must have in common; DIGITS only an encoding by columns (abacus) reads."""


def sizes_of(task: Any) -> dict[str, Any]:
    """The fields of ModelConfig that follow from a task."""
    return {name: getattr(task, name) for name in SIZES + DIGITS if name in SIZES or hasattr(task, name)}


def require_fit(config: ModelConfig, task: Any) -> None:
    """Raise a ValueError that names both values where a model cannot be a model of the task."""
    sizes = sizes_of(task)
    for name in (*SIZES, *(DIGITS if config.positions == "abacus" else ())):
        if name in sizes and getattr(config, name) != sizes[name]:
            raise ValueError(
                f"the config has {name}={getattr(config, name)!r}, but {type(task).__name__} has "
                f"{name}={sizes[name]!r}: make the config with ModelConfig.of(task, ...)"
            )


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What else changes the program of a training step.

    optimizer: adamw | adam | sgd; in Python also a function `hyper -> optax.GradientTransformation`
    schedule: shape of the rate after the warm-up: constant | cosine (to 0 at decay_steps)
    loss: cross_entropy; in Python also a function `(logits [..., V], labels [...]) -> losses [...]`, in nats
    evaluate_every: steps between evaluations on the evaluation set
    evaluation_size: examples of the evaluation set of an infinite task
    precision: of matrix products: float32 | tensorfloat32 | bfloat16; a CPU computes them in float32
    stop_below: nats: freeze a run whose mean training loss over an epoch is below; 0: never
    """

    optimizer: str | Callable = "adamw"
    schedule: str = "constant"
    loss: str | Callable = "cross_entropy"
    evaluate_every: int = 50
    evaluation_size: int = 1024
    precision: str = "float32"
    stop_below: float = 0.0

    def __post_init__(self):
        require_types(self)
        if not callable(self.optimizer):
            own = ("or a function `hyper -> optax.GradientTransformation`",)
            one_of("optimizer", self.optimizer, OPTIMIZERS, () if isinstance(self.optimizer, str) else own)
        if not callable(self.loss):
            one_of("loss", self.loss, ("cross_entropy",))
        one_of("schedule", self.schedule, SCHEDULES)
        one_of("precision", self.precision, ("float32", "tensorfloat32", "bfloat16"))
        at_least("evaluate_every", self.evaluate_every, 1)
        at_least("evaluation_size", self.evaluation_size, 1)
        if not self.stop_below >= 0:
            raise ValueError(f"stop_below={self.stop_below} must be at least 0 nats")


Scalar = Any
"""A number, a traced number, or an array of them with the run axis: jax.Array | np.ndarray | float | int."""


class Hyper(struct.PyTreeNode):
    """What changes a number of a run. One run has scalar leaves; a sweep is the same class with leaves [S].

    seed: of everything random in the run
    learning_rate: per step, after the warm-up
    weight_decay: on every parameter; adamw's is decoupled, adam and sgd add it to the gradient
    b1: decay of Adam's first moment, at least 0 and below 1
    b2: decay of Adam's second moment, at least 0 and below 1
    eps: added to the root of Adam's second moment, above 0
    momentum: of sgd, at least 0 and below 1
    warmup_steps: steps over which the rate rises from 0, in a line
    decay_steps: cosine: the step at which the rate reaches 0
    train_fraction: share of a finite table that is trained on, above 0 and at most 1
    data_seed: of the batches; -1: the run's seed
    split_seed: of the split of a finite table; -1: the run's seed
    attention_rate: r of pattern = r softmax(scores) + (1 - r) ones, from 0 to 1
    init_scale: factor on all initial weights
    scale_*: factor on the initial weights of this name, on top of init_scale and the usual 1/sqrt(width)
    frozen: tensors that keep their initial values, bits over FREEZABLE, see `freeze`
    """

    seed: Scalar = 0
    learning_rate: Scalar = 1e-3
    weight_decay: Scalar = 1.0
    b1: Scalar = 0.9
    b2: Scalar = 0.98
    eps: Scalar = 1e-8
    momentum: Scalar = 0.0
    warmup_steps: Scalar = 10.0
    decay_steps: Scalar = 0.0
    train_fraction: Scalar = 0.3
    data_seed: Scalar = -1
    split_seed: Scalar = -1
    attention_rate: Scalar = 1.0
    init_scale: Scalar = 1.0
    scale_W_E: Scalar = 1.0
    scale_W_pos: Scalar = 1.0
    scale_W_Q: Scalar = 1.0
    scale_W_K: Scalar = 1.0
    scale_W_V: Scalar = 1.0
    scale_W_O: Scalar = 1.0
    scale_W_in: Scalar = 1.0
    scale_W_out: Scalar = 1.0
    scale_W_U: Scalar = 1.0
    frozen: Scalar = 0


INTEGERS = ("seed", "data_seed", "split_seed", "frozen")
"""The fields of Hyper that are int32; the others are float32."""


def freeze(*names: str) -> int:
    """The value of `Hyper.frozen` that holds the named tensors as they began: `freeze("W_E", "W_U")`."""
    for name in names:
        one_of("frozen", name, FREEZABLE)
    return sum(1 << FREEZABLE.index(name) for name in set(names))
