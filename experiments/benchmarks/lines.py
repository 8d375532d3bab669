"""What a benchmark measures, line by line: what fails is a line too, and nothing measured is lost."""

import contextlib
import json
import pathlib
import time
import traceback
from collections.abc import Iterator
from typing import Any


class Lines:
    """What was measured, printed and kept line by line."""

    def __init__(self, folder: pathlib.Path, seconds: float):
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.end = folder / "lines.jsonl", time.perf_counter() + seconds

    def put(self, part: str, **values: Any) -> None:
        """One line."""
        line = json.dumps(dict(part=part) | values)
        with self.path.open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)

    @contextlib.contextmanager
    def trying(self, part: str, **values: Any) -> Iterator[None]:
        """What fails inside is a line too."""
        try:
            yield
        except Exception as error:
            said = "".join(traceback.format_exception_only(error)).strip()
            self.put(part, **values, failed=said[:600])

    @property
    def over(self) -> bool:
        """Whether the time is used up."""
        return time.perf_counter() > self.end
