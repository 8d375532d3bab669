"""Settings as JSON and back, so that a directory tells how to run its sweep again."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from grokjax.checkpoints import names

PLAIN = (bool, int, float, str, type(None))


def encode(value: Any) -> Any:
    """Returns JSON that `decode` turns back.

    Dataclasses are recorded by class and fields, functions by `module:qualname`, partial functions with their
    arguments, sequences as tuples.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, PLAIN):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
        return {"class": names.name_of(type(value)), **bases(type(value)), "fields": fields}
    if isinstance(value, (tuple, list, range)):
        return [encode(item) for item in value]
    if isinstance(value, functools.partial):
        keywords = {name: encode(argument) for name, argument in value.keywords.items()}
        return {
            "partial": names.name_of(value.func),
            "arguments": [encode(argument) for argument in value.args],
            "keywords": keywords,
        }
    if callable(value):
        return {"object": names.name_of(value)}
    return {"unknown": repr(value)}


def things(value: Any) -> Iterator[Any]:
    """Returns the classes and functions that an encoded value will name."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield type(value)
        for field in dataclasses.fields(value):
            yield from things(getattr(value, field.name))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from things(item)
    elif isinstance(value, functools.partial):
        yield value.func
        yield from things((*value.args, *value.keywords.values()))
    elif callable(value):
        yield value


def bases(cls: type) -> dict[str, str]:
    """Returns what a user's class derives from, for who reads the description without that class."""
    above = [base for base in cls.__mro__[1:] if dataclasses.is_dataclass(base)]
    return {"subclass_of": names.name_of(above[0])} if above else {}


def decode(record: Any, where: str, trusted: Sequence[Any] = ()) -> Any:
    """Returns the value that `encode` recorded.

    trusted: modules, classes and functions that the record may name beside what `names` allows
    Raises ValueError naming `where` for a class or function that may not be looked up, or is not there.
    """
    if isinstance(record, list):
        return tuple(decode(item, where, trusted) for item in record)
    if not isinstance(record, dict):
        return record
    if "object" in record:
        return names.function(record["object"], where, trusted)
    if "partial" in record:
        keywords = {name: decode(x, f"{where}.{name}", trusted) for name, x in record["keywords"].items()}
        arguments = decode(record["arguments"], where, trusted)
        return functools.partial(names.function(record["partial"], where, trusted), *arguments, **keywords)
    if "class" not in record:
        raise ValueError(
            f"{where}: {record.get('unknown', record)} was not recorded; dataclasses, functions, numbers, "
            "strings and tuples of them are"
        )
    fields = {name: decode(value, f"{where}.{name}", trusted) for name, value in record["fields"].items()}
    cls = names.dataclass(record["class"], where, trusted)
    try:
        return cls(**fields)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: {record['class']} does not take the recorded fields {shown(record)}: {error}"
        ) from error


def require_readable(value: Any, where: str) -> None:
    """Raises a ValueError for what `decode` could never find again, before anything is trained."""
    for name in unreadable(encode(value), where):
        raise ValueError(
            f"{name}, which could not be found again when the sweep is opened: define it at the top of a "
            "module, by its name (functools.partial of such a function is recorded too)"
        )


def unreadable(record: Any, where: str) -> Iterator[str]:
    """Returns a phrase for each part of an encoded value that cannot be read back."""
    if isinstance(record, list):
        record = {"fields": {str(i): item for i, item in enumerate(record)}}
    if not isinstance(record, dict):
        return
    for kind in ("object", "partial", "class", "unknown"):
        if kind in record and (kind == "unknown" or not names.can_be_found(record[kind])):
            yield f"{where} is {record[kind]}"
    inner = record.get("fields", {}) | record.get("keywords", {})
    for name, value in [*inner.items(), *((str(i), x) for i, x in enumerate(record.get("arguments", [])))]:
        yield from unreadable(value, f"{where}.{name}")


def differences(recorded: Any, requested: Any, name: str) -> list[str]:
    """Returns a sentence for each field in which two encoded values differ, with both values.

    A field that the recorded class did not have yet counts as its default.
    """
    both = (
        isinstance(recorded, dict)
        and isinstance(requested, dict)
        and "fields" in recorded
        and "fields" in requested
    )
    if both and names.current(recorded["class"]) == names.current(requested["class"]):
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
    """Returns whether two values are equal; NaN equals itself, and True is not 1."""
    return repr(a) == repr(b)


def defaults(class_name: str) -> dict[str, Any]:
    """Returns the encoded defaults of a class's fields; {} where it is not at hand."""
    try:
        fields = dataclasses.fields(names.dataclass(class_name, class_name))
    except ValueError:
        return {}
    return {f.name: encode(f.default) for f in fields if f.default is not dataclasses.MISSING}


def shown(record: Any) -> str:
    """Returns an encoded value as a text for a sentence."""
    if not isinstance(record, dict):
        return repr(record)
    inner = {**record.get("fields", {}), **record.get("keywords", {})}
    text = ", ".join(f"{key}={shown(value)}" for key, value in inner.items())
    if "class" in record:
        return f"{record['class'].split(':')[-1]}({text})"
    if "partial" in record:
        return f"partial({record['partial']}, {text})"
    return str(record.get("object", record))
