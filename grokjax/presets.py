"""Conventions on which papers differ, by name: `config, recipe, hyper = presets.nanda(task, d_model=64)`.

Every preset takes a task and any field of ModelConfig that is to differ from the paper.
"""

import dataclasses
from typing import Any

import numpy as np

from grokjax.config import Hyper, ModelConfig, Recipe

Preset = tuple[ModelConfig, Recipe, Hyper]


def nanda(task: Any, **options: Any) -> Preset:
    """Modular addition of Nanda et al. 2023 (arXiv:2301.05217): 1 layer, 128/4, ReLU; AdamW 1e-3, decay 1,
    30% of the table.
    """
    return ModelConfig.of(task, **options), Recipe(), Hyper(weight_decay=1.0, train_fraction=0.3)


def nanda_addition(task: Any, **options: Any) -> Preset:
    """n-digit addition of the same authors: the same model, decay 0.5, fresh batches."""
    config, recipe, hyper = nanda(task, **options)
    return config, recipe, hyper.replace(weight_decay=0.5)


def pizza(task: Any, **options: Any) -> Preset:
    """Zhong et al. 2023 (arXiv:2306.17844): no causal mask, W_in drawn with 1/sqrt(d_mlp), decay 2, 80% of
    the table.
    """
    config = dataclasses.replace(ModelConfig.of(task), **{"mask": "full", **options})
    scale = float(np.sqrt(config.d_model / config.mlp_width))
    return config, Recipe(), Hyper(weight_decay=2.0, train_fraction=0.8, scale_W_in=scale)


def notes(task: Any, **options: Any) -> Preset:
    """The author of the n-digit notes: 128/4, AdamW 1e-3, no decay unless given."""
    return ModelConfig.of(task, **options), Recipe(), Hyper(weight_decay=0.0)


def grokfast_ema(task: Any, **options: Any) -> Preset:
    """Grokfast of Lee et al. 2024 (arXiv:2405.20233), with their exponential average: decay .98, twice."""
    return _with(task, options, dict(grokfast_strength=2.0), interventions="grokfast_ema")


def grokfast_ma(task: Any, **options: Any) -> Preset:
    """The same with the moving average of the last 100 gradients, five times; a step keeps them all."""
    return _with(task, options, dict(grokfast_strength=5.0), interventions="grokfast_ma")


def orthograd(task: Any, **options: Any) -> Preset:
    """OrthoGrad of Prieto et al. 2025 (arXiv:2501.04697), without weight decay as there."""
    return _with(task, options, dict(orthograd=1.0, weight_decay=0.0), interventions="orthograd")


def stablemax(task: Any, **options: Any) -> Preset:
    """StableMax of the same authors in the place of softmax, without weight decay as there."""
    return _with(task, options, dict(weight_decay=0.0), loss="stablemax")


def temperature(task: Any, **options: Any) -> Preset:
    """Logits divided by 4 in the loss: the output scale of Kumar et al. 2023 (arXiv:2310.06110)."""
    return _with(task, options, dict(temperature=4.0), interventions="temperature")


def norm_clamp(task: Any, **options: Any) -> Preset:
    """Weight norm at most .8 of the initial one, without weight decay: Omnigrok (Liu et al. 2022,
    arXiv:2210.01117).
    """
    return _with(task, options, dict(norm_clamp=0.8, weight_decay=0.0), interventions="norm_clamp")


def muon(task: Any, **options: Any) -> Preset:
    """Muon (Jordan et al. 2024), with which Tveit et al. 2025 (arXiv:2504.16041) see earlier grokking."""
    return _with(task, options, dict(momentum=0.95), optimizer="muon")


def schedule_free(task: Any, **options: Any) -> Preset:
    """Schedule-free AdamW of Defazio et al. 2024 (arXiv:2405.15682)."""
    return _with(task, options, {}, optimizer="schedule_free")


def _with(task: Any, options: dict[str, Any], fields: dict[str, Any], **recipe: Any) -> Preset:
    """The preset of Nanda et al. with other fields of Hyper and Recipe, all else equal."""
    config, plain, hyper = nanda(task, **options)
    return config, dataclasses.replace(plain, **recipe), hyper.replace(**fields)


INTERVENTIONS = dict(
    grokfast_ema=grokfast_ema,
    grokfast_ma=grokfast_ma,
    orthograd=orthograd,
    stablemax=stablemax,
    temperature=temperature,
    norm_clamp=norm_clamp,
    muon=muon,
    schedule_free=schedule_free,
)
"""The preset `nanda` with one thing changed in how it trains."""
PRESETS = dict(nanda=nanda, nanda_addition=nanda_addition, pizza=pizza, notes=notes) | INTERVENTIONS
