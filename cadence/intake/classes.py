"""Whether a module has a class that derives from one of the SDK's, told from its source."""

import ast
from collections.abc import Iterable, Iterator

from cadence.intake.names import Foreign, Meaning, Own, Resolver, Unknown, Verdict
from cadence.intake.sources import Module, ModuleName, import_base

_ARGUMENTS_LOOKED_AT = 8


def has_class(resolver: Resolver, module: Module, base: str) -> Verdict:
    """Whether a module defines or imports a class that derives from the SDK's ``base``, or makes one by a call."""
    for verdicts in (_defined, _imported, _made):
        verdict = _first_best(verdicts(resolver, module, base))
        if verdict is not Verdict.NO:
            return verdict
    return Verdict.UNDECIDED if resolver.exhausted else Verdict.NO


def _first_best(verdicts: Iterator[Verdict]) -> Verdict:
    """The best verdict, asking no further than to the first ``YES``."""
    found = {Verdict.NO}
    for verdict in verdicts:
        found.add(verdict)
        if verdict is Verdict.YES:
            break
    return Verdict.best(found)


def _classes(nodes: Iterable[ast.AST]) -> list[ast.ClassDef]:
    return [node for node in nodes if isinstance(node, ast.ClassDef)]


def _defined(resolver: Resolver, module: Module, base: str) -> Iterator[Verdict]:
    return (resolver.derives(module, node, base) for node in _classes(module.nodes))


def _imported(resolver: Resolver, module: Module, base: str) -> Iterator[Verdict]:
    defines_none = not _classes(module.nodes)
    starred: set[ModuleName] = set()
    for node in (node for node in module.nodes if isinstance(node, ast.ImportFrom)):
        source, is_star = import_base(module, node, resolver.package), node.names[0].name == "*"
        if isinstance(source, str):
            # Another distribution may bring the class by a star, or by name where the module defines none itself.
            may_bring = Foreign(f"{source}.*").is_third_party and (is_star or defines_none)
            yield Verdict.UNDECIDED if may_bring else Verdict.NO
        elif is_star:
            starred.add(source)
        else:
            for alias in node.names:
                meanings = resolver.meanings(module, ast.Name(alias.asname or alias.name, ast.Load()))
                yield from (_is_class(resolver, meaning, base) for meaning in meanings)
    for name in starred:
        source_module = resolver.package.module(name)
        yield from _defined(resolver, source_module, base) if source_module else (Verdict.UNDECIDED,)


def _is_class(resolver: Resolver, meaning: Meaning, base: str) -> Verdict:
    if isinstance(meaning, Own) and isinstance(meaning.node, ast.ClassDef):
        return resolver.derives(meaning.module, meaning.node, base)
    return Verdict.UNDECIDED if isinstance(meaning, Unknown) else Verdict.NO


def _made(resolver: Resolver, module: Module, base: str) -> Iterator[Verdict]:
    """A call that is given the base class, or of a function of the plugin that defines classes, may return one."""
    makers: set[ast.AST] = set()
    for call in (node for node in module.nodes if isinstance(node, ast.Call)):
        arguments = call.args[:_ARGUMENTS_LOOKED_AT]
        given = [one for argument in arguments for one in resolver.meanings(module, argument)]
        called = resolver.meanings(module, call.func)
        makes_type = len(call.args) == 3 and Foreign("builtins.type") in called
        takes_base = any(isinstance(one, Foreign) and one.is_sdk(base) for one in given)
        yield Verdict.UNDECIDED if makes_type or takes_base else Verdict.NO
        makers.update(one.node for one in called if isinstance(one, Own) and not isinstance(one.node, ast.ClassDef))
    yield from (Verdict.UNDECIDED if _classes(ast.walk(maker)) else Verdict.NO for maker in makers)
