"""Read a plugin's source before it may run: every fault that can be told without importing anything."""

from collections.abc import Iterator
from pathlib import Path

from cadence.errors import ValidationFailed
from cadence.intake.classes import has_class
from cadence.intake.faults import bounded
from cadence.intake.manifest import build_manifest
from cadence.intake.metadata import find_metadata
from cadence.intake.names import Resolver, Verdict
from cadence.intake.registration import REGISTER, registers
from cadence.intake.sources import ModuleName, Package, reachable_modules
from cadence.intake.stack import on_deep_stack
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
    manifest, faults = on_deep_stack(lambda: _inspected(directory, ref, sdk_version))
    if faults:
        raise ValidationFailed(ref=ref, faults=bounded(faults))
    return manifest


def _inspected(directory: Path, ref: PluginRef, sdk_version: str) -> tuple[Manifest, list[Fault]]:
    package = Package(directory, ref.module)
    resolver = Resolver(package)
    modules = reachable_modules(package, *REQUIRED_MODULES)
    manifest, manifest_faults = build_manifest(directory, ref, find_metadata(resolver, modules), sdk_version)
    missing = [*_missing_registration(resolver), *_missing_classes(resolver)]
    unreadable = sorted(package.faults, key=lambda fault: fault.culprit or "")
    return manifest, [*_missing_files(package), *unreadable, *missing, *manifest_faults]


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
        if module is not None and has_class(resolver, module, base) is Verdict.NO:
            message = f"{module.file} has no class that derives from {base}"
            yield Fault(Stage.INSPECT, "missing_class", message, module.file)
