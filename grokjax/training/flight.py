"""The runs of this process while they train: which turns of an epoch are begun, and which still wait."""

import collections
import functools
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from grokjax import programs
from grokjax.config import Hyper
from grokjax.training import data, loop
from grokjax.training.devices import Turn, joined
from grokjax.training.state import Program, RunState, shapes

Loaded = dict[Any, jax.stages.Compiled]
"""A program on every device that it is needed on."""


class Done(NamedTuple):
    """What a turn gives: the states after it, packed metrics [runs, T, F] and evaluations [runs, E, F].

    The arrays may still be under way; to read them is to wait for them.
    """

    state: RunState
    kept: Any
    seen: Any


class Flight:
    """The states of all local runs on their devices, turn by turn, from one epoch to the next.

    A turn's states are either in `waiting`, to be begun, or have gone into `begun`. So nothing here holds the
    states from before a turn that is begun: they are freed with the epoch that the caller has.
    """

    def __init__(
        self,
        program: Program,
        hypers: Hyper,
        splits: list[data.Split],
        laid: Sequence[Turn],
        epoch_steps: int,
    ):
        self.program, self.epoch_steps, self.laid = program, epoch_steps, laid
        self.turns = [turn for turn in laid if turn.local]
        self.devices = list(dict.fromkeys(turn.device for turn in self.turns))
        table = data.table_of(program.task)
        self.tables = {device: jax.device_put(table, device) for device in self.devices}
        self.shared = [place(turn, hypers, splits) for turn in self.turns]
        self.waiting: collections.deque[RunState] = collections.deque()
        self.begun: list[Done] = []
        self.kinds = {kind_of(shared): turn for turn, shared in zip(self.turns, self.shared, strict=True)}
        self.compiling: dict[int, Future[Loaded]] | None = None
        self.span = functools.lru_cache(len(self.devices))(span_on)

    def compile(self) -> None:
        """Begins to compile what trains, beside what is done meanwhile: a program per number of examples."""
        if self.compiling is not None:
            return
        pool = ThreadPoolExecutor(len(self.kinds))
        self.compiling = {kind: pool.submit(self._epoch_program, kind) for kind in self.kinds}
        pool.shutdown(wait=False)

    def start(self) -> list[Done]:
        """The states that the seeds give, and their evaluations."""
        made = {kind: self._begin_program(kind) for kind in self.kinds}
        for turn, shared in zip(self.turns, self.shared, strict=True):
            found = made[kind_of(shared)][turn.device](table=self.tables[turn.device], shared=shared)
            self.begun.append(Done(found[0], None, found[1]))
        done = self.land()
        self._stop_padding()
        return done

    def resume(self, state: RunState) -> None:
        """Goes on from the states of all runs, leaves [S, ...]."""
        self.waiting = collections.deque(turn.put(rows(state, turn)) for turn in self.turns)
        self._stop_padding()

    def begin(self, step: int, count: int, most: int | None = None) -> None:
        """Begins an epoch of `count` steps for all turns that wait, or until `most` are begun."""
        self.compile()
        assert self.compiling is not None
        while self.waiting and (most is None or len(self.begun) < most):
            i = len(self.begun)
            device, shared = self.turns[i].device, self.shared[i]
            advance = self.compiling[kind_of(shared)].result()[device]
            self.begun.append(
                Done(
                    *advance(
                        span=self.span(device, step, count),
                        shared=shared,
                        runs=self.waiting.popleft(),
                        table=self.tables[device],
                    )
                )
            )

    def land(self) -> list[Done]:
        """What all turns gave, which are all begun; their states wait for the next epoch."""
        done, self.begun = self.begun, []
        self.waiting.extend(each.state for each in done)
        return done

    def flags(self) -> tuple[np.ndarray, np.ndarray]:
        """Which runs of the sweep are active and which diverged, [S] each, after what has landed."""
        alive, stopped = (
            joined([getattr(state, name) for state in self.waiting], self.laid)
            for name in ("alive", "stopped")
        )
        return alive & ~stopped, ~alive

    def _stop_padding(self) -> None:
        """Marks the places of a turn that are no run of their own as stopped: they cost nothing then."""
        states = [self.waiting.popleft() for _ in self.turns]
        for turn, state in zip(self.turns, states, strict=True):
            stopped = np.asarray(state.stopped) | ~turn.real
            self.waiting.append(state.replace(stopped=turn.put(stopped)))

    def _epoch_program(self, kind: int) -> Loaded:
        given = self._given(kind)
        count = jax.ShapeDtypeStruct((), np.int32)
        given |= dict(runs=stacked(shapes(self.program), len(self.kinds[kind].runs)), span=(count, count))
        static = (self.program, self.epoch_steps, self.kinds[kind].block)
        return programs.compiled(loop.epoch, static, given, self.devices)

    def _begin_program(self, kind: int) -> Loaded:
        static = (self.program, self.kinds[kind].block)
        return programs.compiled(loop.begin, static, self._given(kind), self.devices)

    def _given(self, kind: int) -> dict[str, PyTree]:
        shared = next(shared for shared in self.shared if kind_of(shared) == kind)
        return dict(table=self.tables[self.devices[0]], shared=shared)


def kind_of(shared: tuple[Hyper, data.Split]) -> int:
    """The number of training examples of a turn's runs, which decides what program it needs."""
    return shared[1].train.shape[1]


def stacked(tree: PyTree, size: int) -> PyTree:
    """The shapes of so many runs, from those of one."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct((size, *x.shape), x.dtype), tree)


def place(turn: Turn, hypers: Hyper, splits: list[data.Split]) -> tuple[Hyper, data.Split]:
    """The hypers and splits of a turn on its device."""
    split = data.Split(
        *(np.stack([getattr(splits[run], part) for run in turn.runs]) for part in data.Split._fields)
    )
    return turn.put((rows(hypers, turn), split))


def span_on(device: Any, first: int, count: int) -> tuple[Any, Any]:
    """Which steps the turns of a device take: placed once an epoch, which takes longer than to begin one."""
    return jax.device_put((np.int32(first), np.int32(count)), device)


def rows(tree: PyTree, turn: Turn) -> PyTree:
    """The runs of a turn, of a tree with leaves [S, ...], on the host."""
    return jax.tree.map(lambda x: np.asarray(x)[turn.runs], tree)
