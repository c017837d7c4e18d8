"""The literal arguments of a plugin's ``PluginMetadata(…)``, read from its source."""

import ast
from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import Struct

from cadence.intake.faults import quoted
from cadence.intake.names import Foreign, Own, Resolver
from cadence.intake.sources import Module
from cadence.model import Fault, Stage

# The SDK's signature, in order: arguments can be given by position.
PARAMETERS = (
    "name", "version", "description", "capabilities", "llm_requirements", "agent_type", "dependencies",
    "response_schema", "response_suggestion", "sdk_version", "network", "memory_mb",
)  # fmt: skip
REQUIRED = ("name", "version", "description")
AGENT_TYPES = ("specialized", "general", "utility")


class _Undecided:
    """The type of :data:`UNDECIDED`."""


UNDECIDED: Final = _Undecided()
"""The value of an argument that is computed."""

# Names of lists of names could otherwise stand for endless values.
_MAX_NESTING = 20
_MAX_VALUES = 10_000


class StatedMetadata(Struct, frozen=True):
    """A call of ``PluginMetadata``: where it stands, and its arguments by name; computed ones are ``UNDECIDED``.

    ``is_complete`` is false where ``*`` or ``**`` may bring further arguments.
    """

    place: str
    arguments: dict[str, Any]
    is_complete: bool

    def literal(self, name: str, default: Any = None) -> Any:
        """An argument's value, ``default`` where it is not given or computed."""
        value = self.arguments.get(name, default)
        return default if value is UNDECIDED else value


def find_metadata(resolver: Resolver, modules: Iterable[Module]) -> StatedMetadata | None:
    """The plugin's metadata, where the source has exactly one call that can be meant.

    One in ``plugin.py`` is preferred to others; of several, none can be told to be the one.
    """
    calls = [(module, call) for module in modules for call in _calls(resolver, module)]
    preferred = [(module, call) for module, call in calls if module.name[:1] == ("plugin",)] or calls
    if len(preferred) != 1 or resolver.exhausted:
        return None
    return _stated(resolver, *preferred[0])


def _calls(resolver: Resolver, module: Module) -> Iterator[ast.Call]:
    for node in module.nodes:
        if isinstance(node, ast.Call):
            meanings = resolver.meanings(module, node.func)
            if any(isinstance(one, Foreign) and one.is_sdk("PluginMetadata") for one in meanings):
                yield node


def _stated(resolver: Resolver, module: Module, call: ast.Call) -> StatedMetadata:
    reader = _LiteralReader(resolver)
    starred = any(isinstance(argument, ast.Starred) for argument in call.args)
    given = {} if starred else dict(zip(PARAMETERS, call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    complete = not starred and all(keyword.arg for keyword in call.keywords)
    arguments = {name: reader.value(module, node) for name, node in given.items()}
    return StatedMetadata(module.at(call), arguments, complete)


class _LiteralReader:
    """Reads literals, and names that stand for one because nothing in their module ever rebinds them."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._stores: dict[str, dict[str, int]] = {}
        self._values_left = _MAX_VALUES

    def value(self, module: Module, node: ast.AST, depth: int = 0) -> Any:
        """The value of an expression, or ``UNDECIDED``."""
        self._values_left -= 1
        if depth > _MAX_NESTING or self._values_left < 0 or self._resolver.exhausted:
            return UNDECIDED
        if isinstance(node, ast.List | ast.Tuple):
            values = [self.value(module, element, depth + 1) for element in node.elts]
            return UNDECIDED if any(one is UNDECIDED for one in values) else values
        if isinstance(node, ast.Name | ast.Attribute):
            return self._constant(module, node, depth)
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return UNDECIDED

    def _constant(self, module: Module, node: ast.Name | ast.Attribute, depth: int) -> Any:
        if isinstance(node, ast.Name) and self._times_bound(module, node.id) != 1:
            return UNDECIDED
        meanings = self._resolver.meanings(module, node)
        if len(meanings) != 1 or not isinstance(meanings[0], Own):
            return UNDECIDED
        return self.value(meanings[0].module, meanings[0].node, depth + 1)

    def _times_bound(self, module: Module, name: str) -> int:
        """How often a module binds a name anywhere: as a variable, a parameter or by import."""
        if module.file not in self._stores:
            counts: dict[str, int] = {}
            for bound in (bound for node in module.nodes for bound in _names_bound(node)):
                counts[bound] = counts.get(bound, 0) + 1
            self._stores[module.file] = counts
        return self._stores[module.file].get(name, 0)


def _names_bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.alias):
        yield node.asname or node.name


def metadata_faults(stated: StatedMetadata) -> Iterator[Fault]:
    """What is wrong with the arguments that can be read: missing, or of another type than the SDK takes."""
    if stated.is_complete:
        for name in REQUIRED:
            if name not in stated.arguments:
                yield _fault(stated, "missing_metadata", f"PluginMetadata lacks its required argument {name}")
    for name, (words, is_right) in _TYPES.items():
        value = stated.arguments.get(name, UNDECIDED)
        if value is not UNDECIDED and not is_right(value):
            yield _fault(stated, "invalid_metadata", f"PluginMetadata's {name} must be {words}")
    agent_type = stated.literal("agent_type")
    if isinstance(agent_type, str) and agent_type not in AGENT_TYPES:
        message = f"PluginMetadata's agent_type must be one of {', '.join(AGENT_TYPES)}, not {quoted(agent_type)}"
        yield _fault(stated, "invalid_metadata", message)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_amount(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0)


_TYPES = {
    "name": ("a string", _is_text),
    "version": ("a string", _is_text),
    "description": ("a string", _is_text),
    "capabilities": ("a list of strings", _is_texts),
    "dependencies": ("a list of strings", _is_texts),
    "llm_requirements": ("a dictionary", lambda value: isinstance(value, dict)),
    "agent_type": ("a string", _is_text),
    "network": ("a list of strings", lambda value: value is None or _is_texts(value)),
    "memory_mb": ("a whole number of MiB, at least 1", _is_amount),
}


def _fault(stated: StatedMetadata, code: str, message: str) -> Fault:
    return Fault(Stage.INSPECT, code, f"{stated.place}: {message}", stated.place)
