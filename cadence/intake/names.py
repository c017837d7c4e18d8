"""What a name in a plugin's source stands for, as far as that can be told without running it."""

import ast
import builtins
import sys
from collections.abc import Iterable, Iterator
from enum import Enum

from msgspec import Struct

from cadence.intake.sources import Module, ModuleName, Package, import_base, own_name

SDK = "cadence_sdk"

# What a star import from the SDK can bring that is looked for here.
SDK_NAMES = frozenset(
    {"BaseAgent", "BasePlugin", "PluginMetadata", "PluginRegistry", "get_plugin_registry", "register_plugin"}
)


class Verdict(Enum):
    """The answer to a question about code that did not run. ``UNDECIDED`` is left to the trial."""

    YES = "yes"
    NO = "no"
    UNDECIDED = "undecided"

    @classmethod
    def best(cls, verdicts: Iterable["Verdict"]) -> "Verdict":
        """``YES`` if there is one, else ``UNDECIDED`` if there is one, else ``NO``."""
        found = set(verdicts)
        return next((verdict for verdict in (cls.YES, cls.UNDECIDED) if verdict in found), cls.NO)


class Foreign(Struct, frozen=True):
    """Something of another distribution, of the standard library or built in, by its dotted name."""

    dotted: str

    def is_sdk(self, name: str) -> bool:
        """Whether it is what the SDK calls ``name``, wherever in the SDK it is taken from."""
        parts = self.dotted.split(".")
        return parts[0] == SDK and parts[-1] == name

    @property
    def is_third_party(self) -> bool:
        """Whether it is neither Python's nor the SDK's, so that nothing is known about it."""
        root = self.dotted.partition(".")[0]
        return root != SDK and root not in sys.stdlib_module_names


class Own(Struct, frozen=True, eq=False):
    """A class, a function or the value of an assignment in the plugin's own package."""

    module: Module
    node: ast.AST


class OwnModule(Struct, frozen=True):
    """A module of the plugin's own package."""

    name: ModuleName


class Unknown(Struct, frozen=True):
    """Something that cannot be told without running the code."""


Meaning = Foreign | Own | OwnModule | Unknown
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_Query = tuple[ModuleName, str]

# Hostile sources can bind names to one another so that following them would never end. A package that takes more
# steps than this is left to the trial.
MAX_STEPS = 100_000
_MAX_HOPS = 40


class Bindings(Struct, frozen=True, eq=False):
    """What a module binds to names, also under ``if`` and ``try``; imports also within functions."""

    nodes: dict[str, list[ast.AST]]
    stars: list[ast.ImportFrom]


class Resolver:
    """Follows names through the modules of one package: aliases, attributes, imports and re-exports.

    A name can have several meanings, since nothing says which branch of an ``if`` or ``try`` will run.
    """

    def __init__(self, package: Package) -> None:
        self.package = package
        self._bindings: dict[ModuleName, Bindings] = {}
        self._names: dict[_Query, list[Meaning]] = {}
        self._steps = MAX_STEPS

    @property
    def exhausted(self) -> bool:
        """Whether there were too many steps: from then on every answer is undecided."""
        return self._steps <= 0

    def bindings(self, module: Module) -> Bindings:
        """The names a module binds."""
        if module.name not in self._bindings:
            self._bindings[module.name] = _bindings(module)
        return self._bindings[module.name]

    def meanings(self, module: Module, node: ast.AST) -> list[Meaning]:
        """What an expression in ``module`` stands for: at least one meaning, :class:`Unknown` where it is computed."""
        return self._expression(module, node, frozenset())

    def _expression(self, module: Module, node: ast.AST, asked: frozenset[_Query]) -> list[Meaning]:
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or len(attributes) > _MAX_HOPS:
            return [Unknown()]
        meanings = self._name(module, node.id, asked)
        for attribute in reversed(attributes):
            found = [one for meaning in meanings for one in self._attribute(meaning, attribute, asked)]
            meanings = list(dict.fromkeys(found))
        return meanings

    def _name(self, module: Module, name: str, asked: frozenset[_Query]) -> list[Meaning]:
        query = (module.name, name)
        if query in self._names:
            return self._names[query]
        found = self._global(module, name, asked)
        if not found:
            found = [Foreign(f"builtins.{name}")] if hasattr(builtins, name) else [Unknown()]
        if not asked:  # within another question the answer may be cut short by a cycle
            self._names[query] = found
        return found

    def _global(self, module: Module, name: str, asked: frozenset[_Query]) -> list[Meaning]:
        """What the module itself binds to a name; nothing when it does not bind it."""
        query = (module.name, name)
        if query in asked or len(asked) > _MAX_HOPS or self.exhausted:
            return [Unknown()]
        self._steps -= 1
        asked |= {query}
        bindings = self.bindings(module)
        found = [one for node in bindings.nodes.get(name, ()) for one in self._bound(module, name, node, asked)]
        if not found:
            found = [one for star in bindings.stars for one in self._starred(module, star, name, asked)]
        return list(dict.fromkeys(found))

    def _bound(self, module: Module, name: str, node: ast.AST, asked: frozenset[_Query]) -> list[Meaning]:
        if isinstance(node, ast.Import):
            return [self._imported(alias) for alias in node.names if _bound_name(alias) == name]
        if isinstance(node, ast.ImportFrom):
            base = import_base(module, node, self.package)
            names = [alias.name for alias in node.names if (alias.asname or alias.name) == name]
            return [one for original in names for one in self._member(base, original, asked)]
        if isinstance(node, ast.Name | ast.Attribute):
            return self._expression(module, node, asked)
        return [Own(module, node)]

    def _imported(self, alias: ast.alias) -> Meaning:
        dotted = alias.name if alias.asname else alias.name.partition(".")[0]
        own = own_name(self.package, dotted)
        return Foreign(dotted) if own is None else OwnModule(own)

    def _member(self, base: ModuleName | str, name: str, asked: frozenset[_Query]) -> list[Meaning]:
        """What ``name`` is in a module: bound there, or a module below it."""
        if isinstance(base, str):
            return [Foreign(f"{base}.{name}")]
        module = self.package.module(base)
        found = [one for one in (self._global(module, name, asked) if module else []) if one != Unknown()]
        if not found and self.package.file_of((*base, name)):
            return [OwnModule((*base, name))]
        return found or [Unknown()]

    def _attribute(self, meaning: Meaning, name: str, asked: frozenset[_Query]) -> list[Meaning]:
        if isinstance(meaning, Foreign):
            return [Foreign(f"{meaning.dotted}.{name}")]
        if isinstance(meaning, OwnModule):
            return self._member(meaning.name, name, asked)
        return [Unknown()]

    def _starred(self, module: Module, star: ast.ImportFrom, name: str, asked: frozenset[_Query]) -> list[Meaning]:
        base = import_base(module, star, self.package)
        if isinstance(base, tuple):
            source = self.package.module(base)
            return self._global(source, name, asked) if source else [Unknown()]
        foreign = Foreign(f"{base}.{name}")
        if foreign.is_third_party:
            return [Unknown()]
        return [foreign] if base.partition(".")[0] == SDK and name in SDK_NAMES else []

    def derives(self, module: Module, node: ast.ClassDef, base: str) -> Verdict:
        """Whether a class derives from the class that the SDK calls ``base``, through whatever other classes."""
        waiting, seen, verdicts = [(module, node)], {node}, {Verdict.NO}
        while waiting:
            module, node = waiting.pop()
            for meaning in (one for expression in node.bases for one in self._base(module, expression)):
                if isinstance(meaning, Own) and isinstance(meaning.node, ast.ClassDef):
                    if meaning.node not in seen:
                        seen.add(meaning.node)
                        waiting.append((meaning.module, meaning.node))
                else:
                    verdicts.add(_is_base(meaning, base))
            self._steps -= 1 + len(node.bases)
            if self.exhausted:
                return Verdict.UNDECIDED
        return Verdict.best(verdicts)

    def _base(self, module: Module, node: ast.AST) -> list[Meaning]:
        """What a base class stands for; a generic one is given with its parameters: ``Base[int]``."""
        return self.meanings(module, node.value if isinstance(node, ast.Subscript) else node)


def _is_base(meaning: Meaning, base: str) -> Verdict:
    if not isinstance(meaning, Foreign) or meaning.is_third_party:
        return Verdict.UNDECIDED
    return Verdict.YES if meaning.is_sdk(base) else Verdict.NO


def _bound_name(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _bindings(module: Module) -> Bindings:
    nodes: dict[str, list[ast.AST]] = {}
    for node in outside_definitions(module.tree):
        for name, bound in _bound_by(node):
            nodes.setdefault(name, []).append(bound)
    stars = []
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            stars.append(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                name = _bound_name(alias) if isinstance(node, ast.Import) else alias.asname or alias.name
                nodes.setdefault(name, []).append(node)
    return Bindings(nodes, stars)


def _bound_by(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, Definition):
        yield node.name, node
    elif isinstance(node, ast.Assign):
        yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
        yield node.target.id, node.value


def outside_definitions(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported: all but the insides of functions and classes."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Definition):
            waiting.extend(node.decorator_list)
        elif not isinstance(node, ast.Lambda):
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))
