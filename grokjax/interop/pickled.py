"""Reads pickles as data: a small machine that knows containers, numbers, text and tensors, and calls nothing.

A pickle is a program that may call anything. Here no name in it is ever imported: the names of tensors and of
plain containers are known words, and every other name is refused.
"""

import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import numpy as np

MOST_OPERATIONS = 20_000_000
"""Of one pickle; a checkpoint with a loss for each of 100,000 epochs has 300,000."""

STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "|b1",
}
"""The type of the numbers in each storage of torch."""


class Storage(NamedTuple):
    """The numbers of one or more tensors, in the file under `key`."""

    dtype: str
    key: str
    size: int


class Tensor(NamedTuple):
    """A tensor that is not yet read: a view of a storage, all in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Name(NamedTuple):
    """A known name, `module.qualname`."""

    text: str


class _Mark:
    """The place on the stack where a group of items begins."""


MARK = _Mark()


def read(file: BinaryIO) -> Any:
    """The content of one pickle, from where the file stands; tensors are left as `Tensor`.

    Raises ValueError, saying what was found, for names and operations that no checkpoint of weights needs.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    spent = 0
    try:
        for operation, argument, _ in pickletools.genops(file):
            name = operation.name
            # a call copies its arguments, so a few bytes that repeat it could ask for any amount of memory
            spent += 1 + (_size(stack[-1]) if name == "REDUCE" else 0)
            if spent > MOST_OPERATIONS:
                raise ValueError(f"a pickle of more than {MOST_OPERATIONS:,} operations")
            if name == "STOP":
                return stack.pop()
            if name in PUSHED:
                stack.append(argument)
            elif name in MEMORY:
                MEMORY[name](stack, memo, argument)
            elif name in OPERATIONS:
                OPERATIONS[name](stack, argument)
            else:
                raise ValueError(f"the pickle operation {name}, which weights do not need")
    except (IndexError, KeyError, TypeError, AttributeError, UnicodeError, OverflowError) as error:
        raise ValueError(f"a damaged pickle ({error})") from None
    raise ValueError("a pickle that ends too early")


PUSHED = {
    *("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
"""Operations that push what is written in them."""


def _size(arguments: Any) -> int:
    """The number of items or letters in the arguments of a call."""
    return sum(len(x) for x in arguments if isinstance(x, str | bytes | list | tuple | dict))


def _group(stack: list[Any]) -> list[Any]:
    """The items above the last mark, which goes too."""
    place = len(stack) - 1
    while stack[place] is not MARK:
        place -= 1
        if place < 0:
            raise IndexError("no mark")
    items = stack[place + 1 :]
    del stack[place:]
    return items


def _joined(stack: list[Any], count: int) -> None:
    items = tuple(stack[len(stack) - count :])
    if len(items) < count:
        raise IndexError("a tuple of more than there is")
    del stack[len(stack) - count :]
    stack.append(items)


def _set(stack: list[Any], pairs: list[Any]) -> None:
    if not isinstance(stack[-1], dict):
        raise TypeError("an item set in what is no dict")
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        # a key that is a container would be hashed through all that it holds
        if not isinstance(key, str | int | float | bytes | bool | None):
            raise TypeError(f"a dict key of type {type(key).__name__}")
        stack[-1][key] = value


def _extend(stack: list[Any], items: list[Any]) -> None:
    if not isinstance(stack[-1], list):
        raise TypeError("an item appended to what is no list")
    stack[-1].extend(items)


def _pair(stack: list[Any]) -> list[Any]:
    value, key = stack.pop(), stack.pop()
    return [key, value]


def _reduce(stack: list[Any]) -> None:
    arguments, function = stack.pop(), stack.pop()
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        raise TypeError("a call of what is no function")
    if function.text not in CALLS:
        raise ValueError(f"a call of {function.text}, which weights do not need")
    stack.append(CALLS[function.text](*arguments))


def _name(stack: list[Any], text: str) -> None:
    storage = text.removeprefix("torch.")
    if text not in CALLS and not (text.startswith("torch.") and storage in STORAGES):
        raise ValueError(f"the name {text}, which is neither a tensor nor a plain container")
    stack.append(Name(text))


def _stack_name(stack: list[Any]) -> None:
    attribute, module = stack.pop(), stack.pop()
    _name(stack, f"{module}.{attribute}")


def _storage(stack: list[Any]) -> None:
    kind, named, key, _, size, *_ = stack.pop()
    if kind != "storage" or not isinstance(named, Name) or not isinstance(size, int):
        raise TypeError("a reference to something that is no storage")
    stack.append(Storage(STORAGES[named.text.removeprefix("torch.")], str(key), size))


OPERATIONS: dict[str, Callable[[list[Any], Any], Any]] = {
    "PROTO": lambda stack, _: None,
    "FRAME": lambda stack, _: None,
    "NONE": lambda stack, _: stack.append(None),
    "NEWTRUE": lambda stack, _: stack.append(True),
    "NEWFALSE": lambda stack, _: stack.append(False),
    "EMPTY_DICT": lambda stack, _: stack.append({}),
    "EMPTY_LIST": lambda stack, _: stack.append([]),
    "EMPTY_TUPLE": lambda stack, _: stack.append(()),
    "MARK": lambda stack, _: stack.append(MARK),
    "TUPLE": lambda stack, _: stack.append(tuple(_group(stack))),
    "TUPLE1": lambda stack, _: _joined(stack, 1),
    "TUPLE2": lambda stack, _: _joined(stack, 2),
    "TUPLE3": lambda stack, _: _joined(stack, 3),
    "APPEND": lambda stack, _: _extend(stack, [stack.pop()]),
    "APPENDS": lambda stack, _: _extend(stack, _group(stack)),
    "SETITEM": lambda stack, _: _set(stack, _pair(stack)),
    "SETITEMS": lambda stack, _: _set(stack, _group(stack)),
    "GLOBAL": lambda stack, argument: _name(stack, argument.replace(" ", ".")),
    "STACK_GLOBAL": lambda stack, _: _stack_name(stack),
    "REDUCE": lambda stack, _: _reduce(stack),
    # the state of a container is its attributes, which hold no weights
    "BUILD": lambda stack, _: stack.pop(),
    "BINPERSID": lambda stack, _: _storage(stack),
}
"""What each operation does to the stack."""

MEMORY: dict[str, Callable[[list[Any], dict[int, Any], Any], Any]] = {
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda stack, memo, at: memo.update({at: stack[-1]})),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda stack, memo, at: stack.append(memo[at])),
    "MEMOIZE": lambda stack, memo, _: memo.update({len(memo): stack[-1]}),
}
"""What each operation keeps for later, or brings back."""


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, Storage) or not all(isinstance(n, int) and n >= 0 for n in numbers):
        raise TypeError("a tensor without a storage or with odd numbers")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    holder: list[Any] = [{}]
    _set(holder, [item for key, value in pairs for item in (key, value)])
    return holder[0]


def _number(dtype: Any, data: Any) -> float:
    if dtype not in ("f8", "f4", "i8", "i4", "b1"):
        raise TypeError(f"a number of type {dtype!r}")
    return np.frombuffer(data, np.dtype(dtype).newbyteorder("<"), count=1)[0].item()


CALLS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    "torch.Size": lambda sizes: tuple(sizes),
    "_codecs.encode": lambda text, _: text.encode("latin1"),
    "numpy.dtype": lambda name, *_: name,
    "numpy.core.multiarray.scalar": _number,
    "numpy._core.multiarray.scalar": _number,
}
"""What stands for each known name: functions of this file, never those of the name."""
