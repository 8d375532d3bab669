"""The metrics of a sweep by name, put together from the chunks of its parts when they are asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from grokjax.checkpoints import chunks
from grokjax.checkpoints.chunks import AXIS_FREE
from grokjax.checkpoints.identity import Place


def join(pieces: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Returns the metrics of consecutive stretches as those of one."""
    return {
        name: np.concatenate([piece[name] for piece in pieces], axis=step_axis(name)) for name in pieces[0]
    }


def step_axis(name: str) -> int:
    """Returns the axis along which a metric's steps are counted."""
    return 0 if name in AXIS_FREE else 1


def num_steps(arrays: Mapping[str, np.ndarray]) -> int:
    """Returns T of metrics whose training arrays are [S, T, ...]; 0 where there are none."""
    lengths = {array.shape[1] for name, array in arrays.items() if not name.startswith("test_")}
    if len(lengths) > 1:
        raise ValueError(f"metrics of one epoch have different numbers of steps: {sorted(lengths)}")
    return lengths.pop() if lengths else 0


def nothing(place: Place) -> tuple[int, int]:
    """Returns that no steps and no chunks must be there."""
    return 0, 0


class Metrics(Mapping[str, np.ndarray]):
    """The metrics of a sweep by name, read from the disk when asked for and checked: `metrics["loss"]`.

    loss, accuracy [S, T, C]: of every training step before its update, in nats and as a share; column k of C
      belongs to digit k (0: units)
    gradient_norm, gradient_norm.NAME, parameter_norm, exact_match [S, T]: of every training step
    test_loss, test_accuracy [S, E, C], test_exact_match [S, E]: of every evaluation
    test_step [E]: the updates that were done before each evaluation
    A part that has fewer steps than another is filled with NaN. Raises KeyError, with the names that there
    are, for an unknown name, and ValueError, naming the file, for a damaged one.
    """

    def __init__(self, places: Sequence[Place], reached: Callable[[Place], tuple[int, int]] = nothing):
        self.places, self.reached = list(places), reached

    def __repr__(self) -> str:
        num_runs = sum(place.identity.runs for place in self.places)
        return f"metrics of {num_runs} runs: {', '.join(self) or 'none yet'}"

    def __iter__(self) -> Iterator[str]:
        for place in self.places:
            for chunk in chunks.chunks(place.metrics)[:1]:
                return iter(chunks.names(chunk, chunks.header(chunk, place.identity, 0)))
        return iter([])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in list(iter(self))

    def __getitem__(self, name: str) -> np.ndarray:
        rows = self._rows()
        if name not in (known := list(self)):
            raise KeyError(f"no metric {name!r}; there are {', '.join(known) or 'none yet'}")
        parts = [
            [chunks.array(chunk, stamp, name, place.identity) for chunk, stamp in row]
            for place, row in zip(self.places, rows, strict=True)
        ]
        if name in AXIS_FREE:
            return max((np.concatenate(part) for part in parts if part), key=len)
        return side_by_side(parts, [place.identity.runs for place in self.places])

    def _rows(self) -> list[list[tuple[chunks.Chunk, chunks.Header]]]:
        """Returns the proven chunks of every part.

        Raises ValueError if there are fewer than a saved state had before it.
        """
        rows = []
        for place in self.places:
            step, number = self.reached(place)  # asked first: while the sweep is trained more may come
            row = chunks.row(place.metrics, place.identity)
            end = row[-1][0].last if row else 0
            if end < step or len(row) < number:
                raise ValueError(
                    f"{place.metrics} is damaged: before the state of step {step} there were "
                    f"{number or 'more'} files of metrics, there are {len(row)}, up to step {end}"
                )
            rows.append(row)
        return rows


def side_by_side(parts: list[list[np.ndarray]], num_runs: list[int]) -> np.ndarray:
    """Returns the chunks [S_part, T_chunk, ...] of several parts as one array [S, T, ...].

    It is NaN where a part is shorter than another.
    """
    length = max(sum(chunk.shape[1] for chunk in part) for part in parts)
    example = next(part[0] for part in parts if part)
    whole = np.full((sum(num_runs), length, *example.shape[2:]), np.nan, example.dtype)
    first = 0
    for part, runs in zip(parts, num_runs, strict=True):
        step = 0
        for chunk in part:
            whole[first : first + runs, step : step + chunk.shape[1]] = chunk[:runs]
            step += chunk.shape[1]
        first += runs
    return whole
