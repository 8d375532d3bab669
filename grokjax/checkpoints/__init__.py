"""A sweep's directory: its description, every step's metrics, a snapshot per saved epoch; written safely,
read lazily, checked.

DIR/config.json, hypers.npz               what to run, with versions and a format number
DIR/metrics/part-0/steps-A-B.npz          metrics of steps A … B - 1, written once
DIR/checkpoints/part-0/EPOCH/             Orbax: params (one chunk per run), rest of the state (newest epochs
  only), checksums A part is a stretch of runs that is trained together: runs that were added later, or as
  many as fit into memory.
"""

from grokjax.checkpoints.part import Part as Part
from grokjax.checkpoints.part import Restored as Restored
from grokjax.checkpoints.schedule import epochs as epochs_to_save
from grokjax.checkpoints.spec import Spec as Spec
from grokjax.checkpoints.sweep import Sweep as Sweep
from grokjax.checkpoints.sweep import open_sweep as open_sweep
from grokjax.checkpoints.sweep import over as over
from grokjax.checkpoints.writer import Writer as Writer
from grokjax.checkpoints.writer import create as create
from grokjax.checkpoints.writer import resume as resume

__all__ = [
    "Part",
    "Restored",
    "Spec",
    "Sweep",
    "Writer",
    "create",
    "epochs_to_save",
    "open_sweep",
    "over",
    "resume",
]
