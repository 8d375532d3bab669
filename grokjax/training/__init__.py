"""Training: hundreds of runs by one program."""

from grokjax.training.checks import check as check
from grokjax.training.epochs import Epoch as Epoch
from grokjax.training.epochs import train as train
from grokjax.training.state import Program as Program
from grokjax.training.state import RunState as RunState
from grokjax.training.state import Snapshot as Snapshot
