"""The modules of a plugin's package, found and parsed without importing anything."""

import ast
import codecs
import io
import re
import threading
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from cadence.intake.faults import quoted
from cadence.intake.limits import KIB, MIB, bytes_in_words
from cadence.model import Fault, Stage

# Bytes of source become up to 500 times as many bytes of syntax tree, in this process.
MAX_SOURCE_BYTES = 512 * KIB
MAX_PACKAGE_SOURCE_BYTES = 2 * MIB

# Of the encodings a coding cookie may name, some decode in quadratic time (punycode) or do more than decode. These
# are the ones source code is written in.
_SOURCE_ENCODING = re.compile(
    r"utf-8|ascii|iso8859-\d+|cp\d+|koi8-[rut]|mac-roman|gbk?|gb2312|gb18030|big5|euc_\w+|shift_jis\w*"
)

# The filters of warnings belong to the whole process; one parser at a time sets them.
_WARNINGS = threading.Lock()

ModuleName = tuple[str, ...]
"""A module's dotted name within the package, as parts: ``()`` is the package itself."""


class Module(Struct, frozen=True, eq=False):
    """One parsed module; ``file`` is its path in the plugin, with ``/``.

    ``nodes`` are those of the ``tree``, each before what is in it: to walk it takes longer than to parse it, and
    several questions are asked of all nodes.
    """

    name: ModuleName
    file: str
    is_package: bool
    tree: ast.Module
    nodes: tuple[ast.AST, ...]

    @property
    def package(self) -> ModuleName:
        """The package that its relative imports start from."""
        return self.name if self.is_package else self.name[:-1]

    def at(self, node: ast.AST) -> str:
        """Where a node stands, as ``file:line``."""
        return f"{self.file}:{getattr(node, 'lineno', 1)}"


class Package:
    """A plugin's folder as the package it will be imported as. Modules are read when they are first asked for.

    To be used under :func:`~cadence.intake.stack.on_deep_stack`, since the sources are hostile.
    ``faults`` are those of the modules read so far: not decodable, not parsable, too large.

    :param directory: the folder with the package's ``__init__.py``.
    :param module: the name under which it will be imported.
    """

    def __init__(self, directory: Path, module: str) -> None:
        self.module_name = module
        self.faults: list[Fault] = []
        self._directory = directory
        self._modules: dict[ModuleName, Module | None] = {}
        self._source_bytes = 0

    def file_of(self, name: ModuleName) -> str | None:
        """The file of a module, as Python would find it: a package before a module; ``None`` without one."""
        stem = "/".join(name)
        candidates = (f"{stem}/__init__.py", f"{stem}.py") if name else ("__init__.py",)
        return next((file for file in candidates if (self._directory / file).is_file()), None)

    def module(self, name: ModuleName) -> Module | None:
        """Read a module; ``None`` where there is none or it cannot be read, which is a fault then."""
        if name not in self._modules:
            self._modules[name] = None
            file = self.file_of(name) if all(part.isidentifier() for part in name) else None
            if file is not None:
                self._modules[name] = self._read(name, file)
        return self._modules[name]

    def _read(self, name: ModuleName, file: str) -> Module | None:
        try:
            tree = _parsed(self._source(file))
        except _UnreadableError as error:
            code, message, line = error.args
            self.faults.append(Fault(Stage.INSPECT, code, f"{file}: {message}", f"{file}:{line}" if line else file))
            return None
        return Module(name, file, file.endswith("__init__.py"), tree, tuple(ast.walk(tree)))

    def _source(self, file: str) -> bytes:
        with (self._directory / file).open("rb") as opened:
            source = opened.read(MAX_SOURCE_BYTES + 1)
        self._source_bytes += len(source)
        if len(source) > MAX_SOURCE_BYTES:
            message = f"the source is larger than the {bytes_in_words(MAX_SOURCE_BYTES)} that can be inspected"
            raise _UnreadableError("source_too_large", message, None)
        if self._source_bytes > MAX_PACKAGE_SOURCE_BYTES:
            most = bytes_in_words(MAX_PACKAGE_SOURCE_BYTES)
            raise _UnreadableError("source_too_large", f"with it, more than {most} of source are imported", None)
        return source


class _UnreadableError(Exception):
    """A source that cannot be read: a code, a message, and the line where it is known."""


def _parsed(source: bytes) -> ast.Module:
    """Parse hostile source. The parser bounds its own depth, and says so in four different ways."""
    text = _decoded(source)
    try:
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in a plugin is not the server's to report
            return ast.parse(text)
    except SyntaxError as error:
        raise _UnreadableError("syntax_error", f"syntax error: {error.msg}", error.lineno) from None
    except (RecursionError, MemoryError):
        raise _UnreadableError("syntax_error", "the source is nested too deeply to be parsed", None) from None
    except ValueError as error:
        raise _UnreadableError("syntax_error", f"the source cannot be parsed: {error}", None) from None


def _decoded(source: bytes) -> str:
    """Decode by byte order mark and coding cookie (PEP 263), UTF-8 by default (PEP 3120)."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    except SyntaxError as error:
        raise _UnreadableError("undecodable_source", f"the encoding cannot be told: {error.msg}", 1) from None
    if not _SOURCE_ENCODING.fullmatch(codecs.lookup(encoding.removesuffix("-sig")).name):
        message = f"source in the encoding {quoted(encoding)} cannot be taken; save it as UTF-8"
        raise _UnreadableError("undecodable_source", message, 1)
    try:
        return source.decode(encoding)
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        message = f"the source is not {encoding}, as it says or as Python takes it to be; save it as UTF-8"
        raise _UnreadableError("undecodable_source", message, line) from None


def imported_modules(module: Module, package: Package) -> Iterator[ModuleName]:
    """The names that a module imports from its own package, anywhere in it; not all of them need be modules."""
    for node in module.nodes:
        if isinstance(node, ast.Import):
            yield from filter(None, (own_name(package, alias.name) for alias in node.names))
        elif isinstance(node, ast.ImportFrom):
            base = import_base(module, node, package)
            if isinstance(base, tuple):
                yield base
                yield from ((*base, alias.name) for alias in node.names)


def import_base(module: Module, node: ast.ImportFrom, package: Package) -> ModuleName | str:
    """What a ``from … import`` imports from: a name in the package, or the dotted name of a foreign module."""
    dotted = node.module or ""
    if not node.level:
        own = own_name(package, dotted)
        return dotted if own is None else own
    up = node.level - 1
    if up > len(module.package):
        return f".{dotted}"  # leaves the package: an error at run time, and foreign in any case
    return (*module.package[: len(module.package) - up], *filter(None, dotted.split(".")))


def own_name(package: Package, dotted: str) -> ModuleName | None:
    """The name within the package of what is imported by the package's own plain name; ``None`` when it is foreign."""
    first, *rest = dotted.split(".")
    return tuple(rest) if first == package.module_name else None


def reachable_modules(package: Package, *roots: ModuleName) -> list[Module]:
    """The modules that importing ``roots`` can lead to through the package's own import statements, sorted by name."""
    waiting = list(roots)
    seen: set[ModuleName] = set()
    found: list[Module] = []
    while waiting:
        name = waiting.pop(0)
        for depth in range(len(name) + 1):
            if (part := name[:depth]) not in seen:
                seen.add(part)
                if module := package.module(part):
                    found.append(module)
                    waiting.extend(imported_modules(module, package))
    return sorted(found, key=lambda module: module.name)
