"""Read a plugin's source before it may run: every fault that can be told without importing anything."""

import ast
from collections.abc import Iterator
from pathlib import Path

from cadence.errors import ValidationFailed
from cadence.intake.faults import bounded
from cadence.intake.manifest import build_manifest
from cadence.intake.metadata import find_metadata
from cadence.intake.names import Foreign, Meaning, Own, Resolver, Unknown, Verdict
from cadence.intake.registration import REGISTER, registers
from cadence.intake.sources import Module, ModuleName, Package, import_base, reachable_modules
from cadence.model import Fault, Manifest, PluginRef, Stage

REQUIRED_MODULES: tuple[ModuleName, ...] = ((), ("plugin",), ("agent",), ("tools",))

# The module that must have a class of its own, and the class of the SDK it derives from.
REQUIRED_CLASSES = ((("plugin",), "BasePlugin"), (("agent",), "BaseAgent"))


def inspect(directory: Path, ref: PluginRef, sdk_version: str) -> Manifest:
    """Inspect an extracted plugin by its syntax trees.

    What cannot be told without running the code (computed bases, names from other distributions, ``exec``) is no
    fault here: the trial decides it.

    :param directory: the folder with the plugin's ``__init__.py``.
    :param ref: name and version as the file name gave them.
    :param sdk_version: the version of the SDK that the host provides.
    :raises ValidationFailed: with every fault found, always in the same order.
    """
    package = Package(directory, ref.module)
    resolver = Resolver(package)
    modules = reachable_modules(package, *REQUIRED_MODULES)
    manifest, manifest_faults = build_manifest(directory, ref, find_metadata(resolver, modules), sdk_version)
    faults = [
        *_missing_files(package),
        *sorted(package.faults, key=lambda fault: fault.culprit or ""),
        *_missing_registration(resolver),
        *_missing_classes(resolver),
        *manifest_faults,
    ]
    if faults:
        raise ValidationFailed(ref=ref, faults=bounded(faults))
    return manifest


def _missing_files(package: Package) -> Iterator[Fault]:
    for name in REQUIRED_MODULES:
        if package.file_of(name) is None:
            file = f"{name[0]}.py" if name else "__init__.py"
            yield Fault(Stage.INSPECT, "missing_file", f"Missing required file: {file}", file)


def _missing_registration(resolver: Resolver) -> Iterator[Fault]:
    """Nothing is said where a module that might register cannot be read: that is a fault already."""
    package = resolver.package
    modules = reachable_modules(package, ())
    unreadable = package.module(()) is None or bool(package.faults)
    if not unreadable and registers(resolver, modules) is Verdict.NO:
        message = f"__init__.py does not register the plugin; call {REGISTER} with the plugin's class in it"
        yield Fault(Stage.INSPECT, "not_registered", message, "__init__.py")


def _missing_classes(resolver: Resolver) -> Iterator[Fault]:
    for name, base in REQUIRED_CLASSES:
        module = resolver.package.module(name)
        if module is not None and _has_class(resolver, module, base) is Verdict.NO:
            message = f"{module.file} has no class that derives from {base}"
            yield Fault(Stage.INSPECT, "missing_class", message, module.file)


def _has_class(resolver: Resolver, module: Module, base: str) -> Verdict:
    """Whether a module defines or imports a class that derives from ``base``, or makes one by a call."""
    verdicts = {Verdict.NO}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            verdicts.add(resolver.derives(module, node, base))
        elif isinstance(node, ast.ImportFrom):
            verdicts.add(_imports_class(resolver, module, node, base))
        elif isinstance(node, ast.Call):
            verdicts.add(_makes_class(resolver, module, node, base))
        if Verdict.YES in verdicts or resolver.exhausted():
            break
    return Verdict.best(verdicts)


def _imports_class(resolver: Resolver, module: Module, node: ast.ImportFrom, base: str) -> Verdict:
    source = import_base(module, node, resolver.package)
    if isinstance(source, str):
        return _imports_foreign(module, node, Foreign(f"{source}.*"))
    if node.names[0].name == "*":
        starred = resolver.package.module(source)
        classes = (one for one in ast.walk(starred.tree) if isinstance(one, ast.ClassDef)) if starred else ()
        return Verdict.best(resolver.derives(starred, one, base) for one in classes) if starred else Verdict.UNDECIDED
    names = (ast.Name(alias.asname or alias.name, ast.Load()) for alias in node.names)
    return Verdict.best(_is_class(resolver, one, base) for name in names for one in resolver.meanings(module, name))


def _imports_foreign(module: Module, node: ast.ImportFrom, source: Foreign) -> Verdict:
    """Another distribution may bring the class by a star, or by name where the module defines none itself."""
    if not source.is_third_party:
        return Verdict.NO
    defines_none = not any(isinstance(one, ast.ClassDef) for one in ast.walk(module.tree))
    return Verdict.UNDECIDED if node.names[0].name == "*" or defines_none else Verdict.NO


def _is_class(resolver: Resolver, meaning: Meaning, base: str) -> Verdict:
    if isinstance(meaning, Own) and isinstance(meaning.node, ast.ClassDef):
        return resolver.derives(meaning.module, meaning.node, base)
    return Verdict.UNDECIDED if isinstance(meaning, Unknown) else Verdict.NO


def _makes_class(resolver: Resolver, module: Module, call: ast.Call, base: str) -> Verdict:
    """A call that is given the base class, or a function of the plugin that defines classes, may return one."""
    given = [one for argument in call.args[:8] for one in resolver.meanings(module, argument)]
    if any(isinstance(one, Foreign) and one.is_sdk(base) for one in given):
        return Verdict.UNDECIDED
    called = resolver.meanings(module, call.func)
    if any(isinstance(one, Foreign) and one.dotted == "builtins.type" for one in called):
        return Verdict.UNDECIDED if len(call.args) == 3 else Verdict.NO
    makers = (one.node for one in called if isinstance(one, Own) and isinstance(one.node, ast.FunctionDef))
    defines = any(isinstance(one, ast.ClassDef) for maker in makers for one in ast.walk(maker))
    return Verdict.UNDECIDED if defines else Verdict.NO
