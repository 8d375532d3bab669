"""Train hundreds of small transformers jointly, keep every run, and look inside all of them.

Axis letters, the same in every annotation and (lower case) in every einsum:
  S   runs                        B   batch                      N   the whole table of examples
  P   positions                   q   query positions            p   key positions
  R   positions that are read     C   answers (metric columns)   V   vocabulary
  D   d_model                     H   heads                      K   d_head
  M   d_mlp                       L   layers                     F   frequencies
  E   saved epochs, evaluations   T   steps or draws             Ch  chains
Losses are in nats; a step is one optimiser step; an epoch is the stretch of steps that one jitted loop runs.
"""

import importlib
from typing import TYPE_CHECKING, Any

from grokjax.version import __version__ as __version__

if TYPE_CHECKING:
    from grokjax import checkpoints as checkpoints
    from grokjax import comparison as comparison
    from grokjax import config as config
    from grokjax import curves as curves
    from grokjax import figures as figures
    from grokjax import interop as interop
    from grokjax import interp as interp
    from grokjax import keys as keys
    from grokjax import model as model
    from grokjax import objective as objective
    from grokjax import presets as presets
    from grokjax import replay as replay
    from grokjax import runner as runner
    from grokjax import sweep as sweep
    from grokjax import tap as tap
    from grokjax import tasks as tasks
    from grokjax import theory as theory
    from grokjax import training as training
    from grokjax import trees as trees
    from grokjax.checkpoints import map_epochs as map_epochs
    from grokjax.checkpoints import open_sweep as open_sweep
    from grokjax.comparison import compare as compare
    from grokjax.config import Hyper as Hyper
    from grokjax.config import ModelConfig as ModelConfig
    from grokjax.config import Recipe as Recipe
    from grokjax.config import freeze as freeze
    from grokjax.mapping import map_runs as map_runs
    from grokjax.run import Run as Run
    from grokjax.runner import run_sweep as run_sweep
    from grokjax.runner.html_report import report as report
    from grokjax.sweep import concatenate as concatenate
    from grokjax.sweep import grid as grid
    from grokjax.sweep import paired as paired
    from grokjax.tap import run_with_cache as run_with_cache
    from grokjax.tasks import Addition as Addition
    from grokjax.tasks import DigitwiseAddition as DigitwiseAddition
    from grokjax.tasks import GroupComposition as GroupComposition
    from grokjax.tasks import Induction as Induction
    from grokjax.tasks import ModularArithmetic as ModularArithmetic
    from grokjax.tasks import SkipTrigram as SkipTrigram
    from grokjax.tasks import Task as Task
    from grokjax.training import Epoch as Epoch
    from grokjax.training import train as train
    from grokjax.training.machine import set_up as set_up

MODULES = (
    "checkpoints",
    "comparison",
    "config",
    "curves",
    "figures",
    "interop",
    "interp",
    "keys",
    "model",
    "objective",
    "presets",
    "replay",
    "runner",
    "sweep",
    "tap",
    "tasks",
    "theory",
    "training",
    "trees",
)
NAMES = {
    "map_epochs": "checkpoints",
    "open_sweep": "checkpoints",
    "compare": "comparison",
    "Hyper": "config",
    "ModelConfig": "config",
    "Recipe": "config",
    "freeze": "config",
    "map_runs": "mapping",
    "Run": "run",
    "run_sweep": "runner",
    "report": "runner.html_report",
    "concatenate": "sweep",
    "grid": "sweep",
    "paired": "sweep",
    "run_with_cache": "tap",
    "Addition": "tasks",
    "DigitwiseAddition": "tasks",
    "GroupComposition": "tasks",
    "Induction": "tasks",
    "ModularArithmetic": "tasks",
    "SkipTrigram": "tasks",
    "Task": "tasks",
    "Epoch": "training",
    "train": "training",
    "set_up": "training.machine",
}
__all__ = [*MODULES, *NAMES]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used: a sweep need not wait for plotting and statistics."""
    if name in MODULES:
        return importlib.import_module(f"grokjax.{name}")
    if name in NAMES:
        return getattr(importlib.import_module(f"grokjax.{NAMES[name]}"), name)
    raise AttributeError(f"module 'grokjax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
