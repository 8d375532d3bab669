"""A sweep's directory: its settings, the metrics of every step, a snapshot per saved epoch.

It is written safely, read lazily, and what is read is checked.

DIR/config.json, hypers.npz               what to run, with an id of its own, versions and a format number
DIR/metrics/part-0/steps-A-B.npz          metrics of steps A … B - 1, written once
DIR/checkpoints/part-0/EPOCH/             Orbax: params (one chunk per run), rest of the state (newest epochs
                                          only), checksums
DIR/set-aside/                            what lay in its place and was not its own, if ever there was any

A part is a stretch of runs that is trained together: runs that were added later, or as many as fit into
memory. Every file names its sweep, part, epoch or steps, and is refused elsewhere.
"""

from grokjax.checkpoints.metrics import Metrics as Metrics
from grokjax.checkpoints.over_epochs import map_epochs as map_epochs
from grokjax.checkpoints.part import Part as Part
from grokjax.checkpoints.schedule import epochs as epochs_to_save
from grokjax.checkpoints.spec import Spec as Spec
from grokjax.checkpoints.sweep import Sweep as Sweep
from grokjax.checkpoints.sweep import open_sweep as open_sweep
from grokjax.checkpoints.writer import Writer as Writer
from grokjax.checkpoints.writer import create as create
from grokjax.checkpoints.writer import resume as resume

__all__ = [
    "Metrics",
    "Part",
    "Spec",
    "Sweep",
    "Writer",
    "create",
    "epochs_to_save",
    "map_epochs",
    "open_sweep",
    "resume",
]
