"""What uv wants of the interpreter: one call of it, and which files of the call are the build's.

uv runs the interpreter for three things: to ask what it is, to compile what was installed to bytecode, and for each
hook of a build backend (PEP 517). A hook is a script that follows ``-c``. It runs in the source tree, by the
interpreter of a virtual environment in uv's cache, and names by absolute paths, as byte strings, where it leaves its
result::

    <cache>/builds-v0/<environment>/bin/python                      the interpreter
    <cache>/builds-v0/<environment>/<hook>.txt                      what the hook returned
    <cache>/builds-v0/<environment>/metadata_directory              what prepare_metadata_for_build_wheel makes
    <cache>/builds-v0/<another>                                     the folder for the wheel
    <cache>/sdists-v11/…/src                                        the source tree

Parts of the script come from the package (the backend's name), so that a path in it says nothing but where results of
this build may go: only what fits this picture counts.
"""

import ast
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

_BUILDS, _SOURCES = "builds-v", ("sdists-v", "git-v")
_METADATA = "metadata_directory"
_COMPILER = "pip_compileall.py"
METADATA_HOOK, WHEEL_HOOK, REQUIRES_HOOK = (
    "prepare_metadata_for_build_wheel",
    "build_wheel",
    "get_requires_for_build_wheel",
)
_HOOKS = (METADATA_HOOK, WHEEL_HOOK, REQUIRES_HOOK)


class Hook(Struct, frozen=True):
    """One hook of a build.

    ``name`` is that of PEP 517; ``environment`` the virtual environment it runs in, ``source`` the source tree,
    ``answer`` the file for what it returns. It leaves files in ``folder``, where it leaves any. ``bucket`` is the part
    of the cache that the source tree is in.
    """

    name: str
    environment: Path
    source: Path
    answer: Path
    folder: Path | None
    bucket: Path


class Call(Struct, frozen=True):
    """How uv runs the interpreter: by which path, with which arguments, where. ``cache`` is uv's cache folder."""

    program: str
    arguments: tuple[str, ...]
    directory: Path
    cache: Path

    @property
    def compiles(self) -> bool:
        """Whether it is uv's own script that compiles, and imports nothing of, what was installed.

        It lies where only uv writes.
        """
        if len(self.arguments) != 1 or self.directory != self.cache:
            return False
        script = Path(self.arguments[0])
        return script.name == _COMPILER and script.parent.parent == self.cache and script.is_file()

    @property
    def hook(self) -> Hook | None:
        """The hook that it runs, None where it runs none."""
        environment = Path(self.program).parent.parent
        if len(self.arguments) != 2 or self.arguments[0] != "-c" or not self._is_build(environment):
            return None
        if not self._is_source(self.directory):
            return None
        named = list(self._named())
        answers = [path for path in named if path.parent == environment and path.stem in _HOOKS]
        if len(answers) != 1 or answers[0].suffix != ".txt":
            return None
        name = answers[0].stem
        folder = environment / _METADATA if name == METADATA_HOOK else self._wheels(named, environment)
        bucket = self.cache / self.directory.relative_to(self.cache).parts[0]
        folder = None if name == REQUIRES_HOOK else folder
        return Hook(name, environment, self.directory, answers[0], folder, bucket)

    def _named(self) -> Iterator[Path]:
        """The absolute paths that the script names as byte strings."""
        try:
            nodes = list(ast.walk(ast.parse(self.arguments[1])))
        except (SyntaxError, ValueError, RecursionError):
            return
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
                path = os.path.normpath(os.fsdecode(node.value))
                if path.startswith("/"):
                    yield Path(path)

    def _wheels(self, named: list[Path], environment: Path) -> Path | None:
        """The empty folder beside the environment, which uv made for the wheel."""
        for path in named:
            if path != environment and self._is_build(path) and not any(path.iterdir()):
                return path
        return None

    def _is_build(self, path: Path) -> bool:
        """Whether it is a folder of uv's for builds, and no link to one."""
        if path.parent.parent != self.cache or not path.parent.name.startswith(_BUILDS):
            return False
        try:
            return stat.S_ISDIR(path.lstat().st_mode)
        except OSError:
            return False

    def _is_source(self, path: Path) -> bool:
        parts = path.relative_to(self.cache).parts if path.is_relative_to(self.cache) else ()
        return len(parts) > 1 and parts[0].startswith(_SOURCES)
