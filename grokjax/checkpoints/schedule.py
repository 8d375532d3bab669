"""Which epochs of a sweep are saved, from `log | all | every:K | 0,10,100`."""

import re

MOST = 64
"""The most snapshots of the log schedule, the initial and the last epoch among them."""
ALLOWED = "log, all, every:K with K of at least 1, or a list of epochs such as 0,10,100"


def epochs(save: str, num_epochs: int) -> tuple[int, ...]:
    """Returns the epochs to save, ascending, always with the first (0) and the last.

    Raises ValueError for anything malformed.
    """
    text = save.replace(" ", "") if isinstance(save, str) else ""
    if text == "log":
        chosen = logarithmic(num_epochs)
    elif text == "all":
        chosen = set(range(num_epochs + 1))
    elif re.fullmatch(r"every:0*[1-9]\d*", text):
        chosen = set(range(0, num_epochs + 1, int(text[len("every:") :])))
    elif re.fullmatch(r"\d+(,\d+)*", text):
        chosen = {int(epoch) for epoch in text.split(",")}
    else:
        raise ValueError(f"save={save!r} must be {ALLOWED}")
    return tuple(sorted(epoch for epoch in chosen | {0, num_epochs} if epoch <= num_epochs))


def keeps_everything(save: str) -> bool:
    """Returns whether every saved epoch keeps its full state, not only the newest."""
    return save.strip() == "all"


def logarithmic(num_epochs: int) -> set[int]:
    """Returns the finest grid that, with epoch 0 and the last, has at most MOST epochs.

    A grid of density d is 0 … 2d by ones, then d epochs to each doubling. The grids do not depend on the last
    epoch and contain one another, so a sweep that was lengthened has every epoch that the longer sweep would
    have saved at once.
    """
    density = 8
    while len(chosen := grid(density, num_epochs) | {0, num_epochs}) > MOST and density > 1:
        density //= 2
    return chosen


def grid(density: int, num_epochs: int) -> set[int]:
    """Returns 0 … 2d by ones, then 2d + 2, 2d + 4 … 4d, then by fours, and so on, up to the last epoch."""
    chosen, step = set(range(min(density, num_epochs + 1))), 1
    while density * step <= num_epochs:
        chosen |= {epoch for epoch in range(density * step, 2 * density * step, step) if epoch <= num_epochs}
        step *= 2
    return chosen
