"""One setting: the field of :class:`cadence.config.Settings` with the variable it is read from, and how."""

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from cadence import setting_parsers as parsers


def setting(
    variable: str,
    default: Any,
    parse: Callable[[str], Any],
    words: str,
    *,
    also: tuple[str, ...] = (),
    secret: bool = False,
) -> Any:
    """A field that is read from ``variable`` by ``parse``; ``words`` is its line in the README.

    It is read from the first of ``also`` that says something where ``variable`` does not. What is ``secret`` is in no
    ``repr`` and in no error.
    """
    metadata = {"variable": variable, "parse": parse, "words": words, "also": also, "secret": secret}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata, repr=not secret)


def key(variable: str, of: str, *also: str) -> Any:
    """A field with a secret key."""
    plain = " or ".join(f"`{name}`" for name in also)
    return setting(variable, None, parsers.key, f"key of {of} (also {plain})", also=also, secret=True)


def usual_model(variable: str, of: str) -> Any:
    """A field with the model of a provider to ask where none is named."""
    return setting(variable, None, parsers.model_name, f"model of {of} where none is named")


def told(metadata: Mapping[str, Any], environ: Mapping[str, str]) -> str | None:
    """The variable that a setting is read from: the first that says something, else one that is there, else None."""
    there = [name for name in (metadata["variable"], *metadata["also"]) if name in environ]
    return next((name for name in there if environ[name].strip()), there[0] if there else None)
