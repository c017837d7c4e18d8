"""Stands for the ``msgspec`` of the server where no package of the server may be loaded: in the bare zygote.

It has what the zygote and the lockdown need, and no checks: what it decodes comes from the server. The real one would
leave traces in Python's own modules, on which other versions of packages fail: it imports ``typing_extensions``, which
puts functions of its own into :mod:`typing`.
"""

import json as _json
import types
from collections.abc import Callable
from typing import Any, Union, get_args, get_origin, get_type_hints


class Struct:
    """A value with the fields that are annotated in its class."""

    __struct_fields__: tuple[str, ...] = ()
    _tag: str | None = None

    def __init_subclass__(cls, *, frozen: bool = True, tag: str | None = None) -> None:
        cls.__struct_fields__ = tuple(cls.__annotations__)
        cls._tag = tag

    def __init__(self, *values: Any, **named: Any) -> None:
        given = dict(zip(self.__struct_fields__, values, strict=False)) | named
        for name in self.__struct_fields__:
            self.__dict__[name] = given.pop(name) if name in given else getattr(type(self), name)
        if given:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(given)}")


class structs:  # noqa: N801  (it stands for a module)
    """``msgspec.structs``."""

    @staticmethod
    def replace(struct: Struct, /, **changes: Any) -> Any:
        """A copy with other values in some fields."""
        return type(struct)(**struct.__dict__ | changes)


class _Encoder:
    def encode(self, value: Any) -> bytes:
        return _json.dumps(value, default=_fields).encode()


class _Decoder:
    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def decode(self, text: bytes) -> Any:
        return _made(self._kind, _json.loads(text))


class json:  # noqa: N801  (it stands for a module)
    """``msgspec.json``."""

    Encoder: Callable[[], _Encoder] = _Encoder
    Decoder: Callable[[Any], _Decoder] = _Decoder


def _fields(struct: Struct) -> dict[str, Any]:
    tag = {} if struct._tag is None else {"type": struct._tag}
    return tag | {name: struct.__dict__[name] for name in struct.__struct_fields__}


def _made(kind: Any, value: Any) -> Any:
    """JSON data as a value of the kind: a struct, a tuple of things of one kind, either with ``None``, or anything."""
    if value is not None and get_origin(kind) in (Union, types.UnionType):
        return _made(next(one for one in get_args(kind) if one is not type(None)), value)
    if get_origin(kind) is tuple and value is not None:
        return tuple(_made(get_args(kind)[0], item) for item in value)
    if isinstance(kind, type) and issubclass(kind, Struct) and get_origin(kind) is None:
        hints = get_type_hints(kind)
        return kind(**{name: _made(hints[name], value[name]) for name in kind.__struct_fields__ if name in value})
    return value
