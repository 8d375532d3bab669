"""Train a sweep into a directory: plan, train, record, resume, report."""

from grokjax.runner.request import Request as Request
from grokjax.runner.request import UsageError as UsageError
from grokjax.runner.run import run_sweep as run_sweep
from grokjax.runner.session import Session as Session
from grokjax.runner.tensorboard import TensorBoard as TensorBoard

__all__ = ["Request", "Session", "TensorBoard", "UsageError", "run_sweep"]
