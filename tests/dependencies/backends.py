"""Source distributions made on the spot, whose build backends lie in their own trees and do what tests want."""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

#: A build backend (PEP 517) without requirements. Its hooks call ``act(hook)`` of the module ``acts`` beside it, which
#: returns what then stands in the package as ``<hook>.json``.
BACKEND = """
import json, os, pathlib, zipfile
import acts

METADATA = "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n"
WHEEL = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: {pure}\\nTag: {tag}\\n"
INFO = "{name}-1.0.dist-info"

def _told(hook):
    pathlib.Path(hook + ".json").write_text(json.dumps(acts.act(hook)))

def get_requires_for_build_wheel(config_settings=None):
    return getattr(acts, "REQUIRES", [])

def prepare_metadata_for_build_wheel(directory, config_settings=None):
    info = pathlib.Path(directory, INFO)
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    (info / "WHEEL").write_text(WHEEL)
    _told("metadata")
    return getattr(acts, "metadata", lambda info: INFO)(info)

def build_wheel(directory, config_settings=None, metadata_directory=None):
    _told("wheel")
    name = "{name}-1.0-{tag}.whl"
    files = {{"{name}/__init__.py": b"version = '1.0'\\n"}}
    files.update({{INFO + "/METADATA": METADATA.encode(), INFO + "/WHEEL": WHEEL.encode()}})
    for hook in ("metadata", "wheel"):
        if pathlib.Path(hook + ".json").exists():
            files["{name}/" + hook + ".json"] = pathlib.Path(hook + ".json").read_bytes()
    files.update(getattr(acts, "files", dict)())
    files[INFO + "/RECORD"] = "".join(path + ",,\\n" for path in [*files, INFO + "/RECORD"]).encode()
    with zipfile.ZipFile(pathlib.Path(directory, name), "w") as wheel:
        for path, content in files.items():
            wheel.writestr(path, content)
    return getattr(acts, "wheel", lambda path: name)(pathlib.Path(directory, name))
"""
_PYPROJECT = '[build-system]\nrequires = {requires}\nbuild-backend = "backend"\nbackend-path = ["."]\n'
QUIET = "def act(hook): return None\n"


def distribution(folder: Path, name: str, files: Mapping[str, str]) -> Path:
    """A source distribution, version 1.0, of some files."""
    path = folder / f"{name}-1.0.tar.gz"
    content = {"PKG-INFO": f"Metadata-Version: 1.0\nName: {name}\nVersion: 1.0\n", **files}
    with tarfile.open(path, "w:gz") as archive:
        for entry, text in content.items():
            data = text.encode()
            member = tarfile.TarInfo(f"{name}-1.0/{entry}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def acting(
    folder: Path,
    name: str,
    acts: str = QUIET,
    *,
    requires: tuple[str, ...] = (),
    tag: str = "py3-none-any",
    files: Mapping[str, str] | None = None,
) -> Path:
    """One whose hooks do what the Python module ``acts`` says, see :data:`BACKEND`."""
    backend = BACKEND.format(name=name, tag=tag, pure=str(tag.endswith("any")).lower())
    pyproject = _PYPROJECT.format(requires=json.dumps(requires))
    return distribution(
        folder, name, {"pyproject.toml": pyproject, "backend.py": backend, "acts.py": acts, **(files or {})}
    )
