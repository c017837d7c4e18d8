"""Whether importing a plugin's package calls ``register_plugin``, told from its source."""

import ast
from collections.abc import Iterable, Iterator

from cadence.intake.names import SDK, Definition, Foreign, Own, OwnModule, Resolver, Verdict, outside_definitions
from cadence.intake.sources import Module, import_base

REGISTER = "register_plugin"

# Whoever handles one of these in any other way than by calling register_plugin may register by it.
_REGISTRARS = frozenset({REGISTER, "get_plugin_registry", "PluginRegistry"})
_DYNAMIC = frozenset({"__import__", "compile", "eval", "exec", "globals", "importlib", "locals", "runpy", "vars"})

_Located = tuple[Module, ast.AST]


def registers(resolver: Resolver, modules: Iterable[Module]) -> Verdict:
    """Whether code that runs on import of ``modules`` registers a plugin.

    Functions and methods count when code that runs mentions their name, in whatever module.
    """
    verdicts = {_star_verdict(resolver, module) for module in modules}
    for module, node in _running(list(modules)):
        verdict = _verdict(resolver, module, node)
        if verdict is Verdict.YES:
            return verdict
        if resolver.exhausted:
            return Verdict.UNDECIDED
        verdicts.add(verdict)
    return Verdict.best(verdicts)


def _running(modules: list[Module]) -> Iterator[_Located]:
    """The nodes that run on import: outside definitions, and inside those whose names have been mentioned."""
    waiting: list[_Located] = [(module, module.tree) for module in modules]
    dormant: dict[str, list[_Located]] = {}
    mentioned: set[str] = set()
    while waiting:
        module, root = waiting.pop()
        for node in ast.walk(root) if isinstance(root, Definition) else outside_definitions(root):
            yield module, node
            for name in _mentions(node):
                mentioned.add(name)
                waiting.extend(dormant.pop(name, ()))
            if isinstance(node, Definition) and not isinstance(root, Definition):
                place = waiting if node.name in mentioned else dormant.setdefault(node.name, [])
                place.append((module, node))


def _mentions(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.name for alias in node.names if alias.asname)


def _verdict(resolver: Resolver, module: Module, node: ast.AST) -> Verdict:
    if isinstance(node, ast.Call):
        return _call_verdict(resolver, module, node)
    if isinstance(node, Definition):
        decorated = (_is_register(resolver, module, decorator) for decorator in node.decorator_list)
        return Verdict.YES if any(decorated) else Verdict.NO
    if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
        return _mention_verdict(resolver, module, node)
    return Verdict.NO


def _call_verdict(resolver: Resolver, module: Module, call: ast.Call) -> Verdict:
    called = resolver.meanings(module, call.func)
    if _is_register(resolver, module, call.func):
        return Verdict.YES
    arguments = [one for argument in call.args[:8] for one in resolver.meanings(module, argument)]
    if any(isinstance(one, Foreign) and one.dotted == "builtins.getattr" for one in called):
        looked_into = any(isinstance(one, OwnModule) or _is_sdk(one) for one in arguments)
        return Verdict.UNDECIDED if looked_into else Verdict.NO
    foreign = any(isinstance(one, Foreign) and one.is_third_party for one in called)
    given_class = any(isinstance(one, Own) and isinstance(one.node, ast.ClassDef) for one in arguments)
    return Verdict.UNDECIDED if foreign and given_class else Verdict.NO


def _is_sdk(meaning: object) -> bool:
    return isinstance(meaning, Foreign) and meaning.dotted.partition(".")[0] == SDK


def _is_register(resolver: Resolver, module: Module, node: ast.AST) -> bool:
    return any(isinstance(one, Foreign) and one.is_sdk(REGISTER) for one in resolver.meanings(module, node))


def _mention_verdict(resolver: Resolver, module: Module, node: ast.Name | ast.Attribute) -> Verdict:
    name = node.id if isinstance(node, ast.Name) else node.attr
    if name in _DYNAMIC or name in _REGISTRARS:
        return Verdict.UNDECIDED
    registrars = (one for one in resolver.meanings(module, node) if isinstance(one, Foreign))
    return Verdict.UNDECIDED if any(one.is_sdk(name) for one in registrars for name in _REGISTRARS) else Verdict.NO


def _star_verdict(resolver: Resolver, module: Module) -> Verdict:
    bases = (import_base(module, star, resolver.package) for star in resolver.bindings(module).stars)
    third_party = any(isinstance(base, str) and Foreign(base).is_third_party for base in bases)
    return Verdict.UNDECIDED if third_party else Verdict.NO
