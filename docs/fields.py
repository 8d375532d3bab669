"""For the documentation site: lines `name: text` of a docstring as a list. Without it Markdown joins them."""

import re
from typing import Any

import griffe

FIELD = re.compile(r"(\w[\w.*]*(?:, \w[\w.*]*)*(?: \[[^\]]*\])?): (.+)")
BESIDE = re.compile(r";  (?=\w[\w.*]*(?:, \w[\w.*]*)*: )")
"""Between two fields of one line."""


def as_list(text: str) -> str:
    """Returns a docstring whose fields are items of a list; what is indented below a field belongs to it."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        if FIELD.fullmatch(line):
            lines += [] if inside else [""]
            lines += [FIELD.sub(r"- **\1**: \2", part) for part in BESIDE.split(line)]
            inside = True
        elif inside and line.startswith(" "):
            lines.append(f"    {line.strip()}")
        else:
            lines += [""] if inside and line.strip() else []
            lines.append(line)
            inside = False
    return "\n".join(lines)


class Fields(griffe.Extension):
    """Changes every docstring before it is rendered."""

    def on_object(self, *, obj: griffe.Object, **others: Any) -> None:
        """Called by griffe for every object that it has read."""
        if obj.docstring:
            obj.docstring.value = as_list(obj.docstring.value)
