"""The knobs of a run: ModelConfig and Recipe are static (a new value compiles anew), Hyper is traced."""

import dataclasses
from collections.abc import Callable
from typing import Any

from flax import struct

from grokjax.config.annotations import require_types
from grokjax.config.options import ACTIVATIONS as ACTIVATIONS
from grokjax.config.options import ATTENTIONS as ATTENTIONS
from grokjax.config.options import DIGIT_ORDERS as DIGIT_ORDERS
from grokjax.config.options import DIGITS as DIGITS
from grokjax.config.options import DISTRIBUTIONS as DISTRIBUTIONS
from grokjax.config.options import FREEZABLE as FREEZABLE
from grokjax.config.options import INTERVENTIONS as INTERVENTIONS
from grokjax.config.options import LOSSES as LOSSES
from grokjax.config.options import MASKS as MASKS
from grokjax.config.options import OPTIMIZERS as OPTIMIZERS
from grokjax.config.options import POSITIONS as POSITIONS
from grokjax.config.options import SCHEDULES as SCHEDULES
from grokjax.config.options import SIZES as SIZES
from grokjax.config.options import TENSORS as TENSORS
from grokjax.config.options import at_least as at_least
from grokjax.config.options import freeze as freeze
from grokjax.config.options import one_of as one_of
from grokjax.config.options import several_of as several_of
from grokjax.config.options import sizes_of as sizes_of


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
        for name in sorted(set(options) & set(sizes)):
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

    optimizer: adamw | adam | sgd | muon | schedule_free; in Python a function of hyper to optax's
    schedule: shape of the rate after the warm-up: constant | cosine (to 0 at decay_steps)
    loss: cross_entropy | stablemax; in Python also `(logits [..., V], labels [...]) -> nats [...]`
    evaluate_every: steps between evaluations on the evaluation set
    evaluation_size: examples of the evaluation set of an infinite task
    precision: of matrix products: float32 | tensorfloat32 | bfloat16; a CPU computes them in float32
    stop_below: nats: freeze a run whose mean training loss over an epoch is below; 0: never
    interventions: none, or some of grokfast_ema, grokfast_ma, orthograd, temperature, norm_clamp, joined by +
    grokfast_window: steps of the moving average of grokfast_ma
    """

    optimizer: str | Callable = "adamw"
    schedule: str = "constant"
    loss: str | Callable = "cross_entropy"
    evaluate_every: int = 50
    evaluation_size: int = 1024
    precision: str = "float32"
    stop_below: float = 0.0
    interventions: str = "none"
    grokfast_window: int = 100

    def __post_init__(self):
        require_types(self)
        if not callable(self.optimizer):
            own = ("or a function `hyper -> optax.GradientTransformation`",)
            one_of("optimizer", self.optimizer, OPTIMIZERS, () if isinstance(self.optimizer, str) else own)
        if not callable(self.loss):
            one_of("loss", self.loss, LOSSES)
        one_of("schedule", self.schedule, SCHEDULES)
        one_of("precision", self.precision, ("float32", "tensorfloat32", "bfloat16"))
        at_least("evaluate_every", self.evaluate_every, 1)
        at_least("evaluation_size", self.evaluation_size, 1)
        several_of("interventions", self.interventions, INTERVENTIONS)
        at_least("grokfast_window", self.grokfast_window, 1)
        if not self.stop_below >= 0:
            raise ValueError(f"stop_below={self.stop_below} must be at least 0 nats")

    def intervenes(self, name: str) -> bool:
        """Whether an intervention is part of the program; only then its fields of Hyper act."""
        return name in self.interventions.split("+")


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
    momentum: of sgd and muon, at least 0 and below 1
    warmup_steps: steps over which the rate rises from 0, in a line
    decay_steps: cosine: the step at which the rate reaches 0
    train_fraction: share of a finite table that is trained on, above 0 and at most 1
    data_seed: of the batches; -1: the run's seed
    split_seed: of the split of a finite table; -1: the run's seed
    label_noise: share of the training labels of a finite table that are wrong, drawn once with the split
    grokfast_strength: grokfast: the averaged gradient is added so many times
    grokfast_decay: grokfast_ema: share of the average that a step keeps, at least 0 and below 1
    orthograd: share of each tensor's gradient along its weights that is taken out, from 0 to 1
    temperature: the logits are divided by it in the loss, above 0
    norm_clamp: largest norm of all parameters together, in units of the initial one; 0: no limit
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
    label_noise: Scalar = 0.0
    grokfast_strength: Scalar = 0.0
    grokfast_decay: Scalar = 0.98
    orthograd: Scalar = 0.0
    temperature: Scalar = 1.0
    norm_clamp: Scalar = 0.0
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
