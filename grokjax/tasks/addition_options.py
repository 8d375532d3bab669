"""What an addition task refuses: formats that contradict themselves, and sets of problems that are empty.

`task` is an Addition.
"""

from typing import Any

from grokjax.config import at_least
from grokjax.tasks.vocabulary import integer


def check_format(task: Any) -> None:
    """Refuse formats that contradict themselves."""
    if task.mode == "single":
        if task.digit is None:
            raise ValueError(
                f"digit=None: mode='single' needs the digit to predict, 0 to {task.num_answer_digits - 1}"
            )
        integer("digit", task.digit, 0, task.num_answer_digits - 1)
    elif task.digit is not None:
        raise ValueError(
            f"digit={task.digit!r} is for mode='single' only; with mode={task.mode!r} it must be None"
        )
    for name in ("scratchpad", "hints"):
        if getattr(task, name) and task.mode != "sequence":
            raise ValueError(f"{name}=True needs mode='sequence', not mode={task.mode!r}")
    if task.scratchpad and not task.carry:
        raise ValueError("scratchpad=True needs carry=True: digitwise addition has no carries to write")
    if task.relabel is not None:
        at_least("relabel", task.relabel, 0)


def check_problems(task: Any) -> None:
    """Refuse sets of problems that are out of range, empty or contradict each other."""
    given = [name for name in ("held_out", "lengths", "cascade") if getattr(task, name) not in (None, ())]
    if len(given) > 1:
        first, second = (f"{name}={getattr(task, name)}" for name in given[:2])
        raise ValueError(f"{first} and {second} cannot be combined; set one")
    if task.cascade is not None:
        integer("cascade", task.cascade, 0, task.num_digits)
        if not task.carry:
            raise ValueError(f"cascade={task.cascade} needs carry=True: digitwise addition has no carries")
    if task.lengths is not None:
        if not isinstance(task.lengths, tuple) or not task.lengths:
            raise ValueError(
                f"lengths={task.lengths!r} must be a tuple of at least one operand length, or None"
            )
        for length in task.lengths:
            integer("lengths", length, 1, task.num_digits)
    _check_held_out(task)


def _check_held_out(task: Any) -> None:
    """Refuse held-out pairs that are no digit pairs, or all of them."""
    if not isinstance(task.held_out, tuple) or any(
        not isinstance(pair, tuple) or len(pair) != 2 for pair in task.held_out
    ):
        raise ValueError(f"held_out={task.held_out!r} must be a tuple of digit pairs, ((a, b), ...)")
    for pair in task.held_out:
        for value in pair:
            integer("held_out", value, 0, task.base - 1)
    if len(set(task.held_out)) != len(task.held_out) or len(task.held_out) == task.base**2:
        raise ValueError(
            f"held_out={task.held_out} must name different pairs and leave at least one of the {task.base**2}"
        )
    if task.held_out_shown and not task.held_out:
        raise ValueError("held_out_shown=True needs held_out, the digit pairs to show")
