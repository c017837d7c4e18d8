"""What is known of a plugin without running it: metadata and requirements become a validated manifest."""

from collections.abc import Iterator
from pathlib import Path

from packaging.version import Version

from cadence.intake.faults import quoted
from cadence.intake.filename import is_version
from cadence.intake.metadata import StatedMetadata, metadata_faults
from cadence.intake.requirements import Stated, merge_requirements, read_pyproject
from cadence.model import Fault, Manifest, PluginRef, Requests, Stage


def build_manifest(
    directory: Path, ref: PluginRef, stated: StatedMetadata | None, sdk_version: str
) -> tuple[Manifest, list[Fault]]:
    """Merge what ``PluginMetadata`` and ``pyproject.toml`` say, and check it against the file name and the host.

    :param stated: the literal metadata; ``None`` where it is computed.
    :returns: the manifest, which is of use only when there are no faults, and the faults.
    """
    declared, pyproject_faults, warnings = read_pyproject(directory)
    dependencies = stated.literal("dependencies", []) if stated else []
    texts = [text for text in dependencies if isinstance(text, str)] if isinstance(dependencies, list) else []
    requirements = merge_requirements(
        [*(Stated(text, stated.place) for text in texts if stated), *declared], sdk_version
    )
    faults = [*(_metadata_faults(stated, ref) if stated else ()), *pyproject_faults, *requirements.faults]
    manifest = Manifest(
        ref=ref,
        requirements=requirements.specifiers,
        requirements_complete=stated is not None and _dependencies_are_known(stated),
        warnings=(*(_name_warnings(stated, ref) if stated else ()), *warnings),
        requests=_requests(stated) if stated else Requests(),
    )
    return manifest, faults


def _requests(stated: StatedMetadata) -> Requests:
    """What is asked for; nothing where it is of a wrong type, which is a fault."""
    network, memory_mb = stated.literal("network"), stated.literal("memory_mb")
    texts = tuple(text for text in network if isinstance(text, str)) if isinstance(network, list) else ()
    return Requests(texts, memory_mb if isinstance(memory_mb, int) else None)


def _dependencies_are_known(stated: StatedMetadata) -> bool:
    if "dependencies" in stated.arguments:
        return stated.literal("dependencies") is not None
    return stated.is_complete


def _metadata_faults(stated: StatedMetadata, ref: PluginRef) -> Iterator[Fault]:
    yield from metadata_faults(stated)
    version = stated.literal("version")
    if not isinstance(version, str):
        return
    if not is_version(version):
        message = f"{stated.place}: PluginMetadata's version {quoted(version)} is not a version (PEP 440)"
        yield Fault(Stage.INSPECT, "invalid_metadata", message, stated.place)
    elif Version(version) != Version(ref.version):
        message = f"The file name says version {ref.version}, but PluginMetadata says {version}; make them agree"
        yield Fault(Stage.INSPECT, "version_mismatch", message, stated.place)


def _name_warnings(stated: StatedMetadata, ref: PluginRef) -> Iterator[str]:
    name = stated.literal("name")
    if isinstance(name, str) and name != ref.name:
        yield f"The plugin calls itself {quoted(name)}, but its file name says {quoted(ref.name)}"
