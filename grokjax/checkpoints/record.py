"""Settings as JSON and back: dataclasses, callables and plain values, so that a directory tells how to run
its sweep again.
"""

import dataclasses
import importlib
import sys
from typing import Any

import numpy as np

PLAIN = (bool, int, float, str, type(None))


def encode(value: Any) -> Any:
    """JSON that `decode` turns back: dataclasses by class and fields, callables by `module:qualname`,
    sequences as tuples.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, PLAIN):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: encode(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.init
        }
        return {"class": name_of(type(value)), "fields": fields}
    if isinstance(value, (tuple, list, range)):
        return [encode(item) for item in value]
    if callable(value):
        return {"object": name_of(value)}
    return {"unknown": repr(value)}


def decode(record: Any, where: str) -> Any:
    """The value that `encode` recorded; ValueError naming `where` if a class or function of the user's cannot
    be imported.
    """
    if isinstance(record, list):
        return tuple(decode(item, where) for item in record)
    if not isinstance(record, dict):
        return record
    if "unknown" in record:
        raise ValueError(
            f"{where}: {record['unknown']} was not recorded; dataclasses, functions, numbers, strings and tuples of them are"
        )
    if "object" in record:
        return find(record["object"], where)
    fields = {name: decode(value, f"{where}.{name}") for name, value in record["fields"].items()}
    try:
        return find(record["class"], where)(**fields)
    except TypeError as error:
        raise ValueError(
            f"{where}: {record['class']} does not take the recorded fields {sorted(fields)}: {error}"
        ) from error


def name_of(thing: Any) -> str:
    """`module:qualname`; a script run with `python -m` under its real name; a callable without a name by its
    repr.
    """
    qualname = getattr(thing, "__qualname__", None)
    if qualname is None:
        return repr(thing)
    module = thing.__module__
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return f"{spec.name if module == '__main__' and spec else module}:{qualname}"


def find(name: str, where: str) -> Any:
    """The class or function of a recorded name."""
    module, _, path = name.partition(":")
    try:
        thing: Any = importlib.import_module(module)
        for part in path.split("."):
            thing = getattr(thing, part)
        return thing
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{where} was recorded as {name!r}, which cannot be imported here: put it into an importable module"
        ) from error


def differences(recorded: Any, requested: Any, name: str) -> list[str]:
    """One sentence for each field in which two encoded values differ, with both values; [] where they are the
    same.

    A field that the recorded class did not have yet counts as its default.
    """
    both = (
        isinstance(recorded, dict)
        and isinstance(requested, dict)
        and "fields" in recorded
        and "fields" in requested
    )
    if both and recorded["class"] == requested["class"]:
        old, new = {**defaults(requested["class"]), **recorded["fields"]}, requested["fields"]
        return [
            line
            for field in new
            for line in differences(old.get(field, "absent"), new[field], f"{name}.{field}")
        ]
    return (
        []
        if same(recorded, requested)
        else [f"{name}: recorded {shown(recorded)}, asked for {shown(requested)}"]
    )


def same(a: Any, b: Any) -> bool:
    """Equality that takes NaN as equal to itself and True as different from 1."""
    return repr(a) == repr(b)


def defaults(class_name: str) -> dict[str, Any]:
    """The encoded defaults of a recorded class's fields; {} where it cannot be imported."""
    try:
        fields = dataclasses.fields(find(class_name, class_name))
    except (ValueError, TypeError):
        return {}
    return {f.name: encode(f.default) for f in fields if f.default is not dataclasses.MISSING}


def shown(record: Any) -> str:
    """An encoded value for a sentence."""
    if isinstance(record, dict) and "class" in record:
        return f"{record['class'].split(':')[-1]}({', '.join(f'{key}={shown(value)}' for key, value in record['fields'].items())})"
    return str(record["object"]) if isinstance(record, dict) and "object" in record else repr(record)
