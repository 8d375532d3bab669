"""What the docstring of a dataclass says of each field: the one place where a knob is documented."""

import dataclasses
import fnmatch
import inspect
import re
from typing import Any

FIELD = re.compile(r"(\w[\w*]*(?:, \w[\w*]*)*): (.+)")


def of_fields(cls: Any) -> dict[str, str]:
    """The text of each field of a dataclass, or of a partial one.

    Its docstring has a line `name: text` or `name, name: text` for each, which goes on in lines that are
    indented deeper; `*` in a name stands for any letters.
    """
    cls = getattr(cls, "func", cls)
    names, found, current = [field.name for field in dataclasses.fields(cls)], {}, []
    for line in inspect.cleandoc(cls.__doc__ or "").splitlines():
        if match := FIELD.fullmatch(line):
            current = [name for pattern in match[1].split(", ") for name in fnmatch.filter(names, pattern)]
            found.update(dict.fromkeys(current, match[2]))
        elif line.startswith(" "):
            found.update({name: f"{found[name]} {line.strip()}" for name in current})
        else:
            current = []
    return found
