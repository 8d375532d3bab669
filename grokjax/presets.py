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


PRESETS = dict(nanda=nanda, nanda_addition=nanda_addition, pizza=pizza, notes=notes)
