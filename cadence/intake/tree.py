"""The names in an archive: which may be written at all, which are left out, and which files they make together."""

import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator

from msgspec import Struct, structs

from cadence.intake.container import Entry
from cadence.intake.faults import printable, quoted
from cadence.intake.limits import ArchiveLimits
from cadence.model import Fault, Stage

# Put into archives by Finder, Explorer, Python and git; none of it belongs to a plugin.
JUNK = frozenset(name.casefold() for name in ("__MACOSX", ".DS_Store", "Thumbs.db", "__pycache__", ".git"))

# Linux takes no longer names (NAME_MAX); neither do NTFS and APFS.
MAX_NAME_BYTES = 255

_DRIVE = re.compile(r"[A-Za-z]:")
_BIDIRECTIONAL_CONTROLS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_CONTROL_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})

PathParts = tuple[str, ...]
"""The parts of a relative path, outermost first."""


def entry_path(entry: Entry) -> PathParts:
    """The parts of an entry's name, in the Unicode form (NFC) in which Linux and Windows write names."""
    return tuple(unicodedata.normalize("NFC", entry.name).removesuffix("/").split("/"))


def name_faults(entry: Entry, limits: ArchiveLimits) -> Iterator[Fault]:
    """Everything that forbids to write an entry under its name, or as the kind of file it is."""
    for code, predicate in (*_forbidden_names(entry.name), *_excessive_names(entry, limits), *_forbidden_kinds(entry)):
        yield _fault(code, entry, predicate)


def _forbidden_names(name: str) -> Iterator[tuple[str, str]]:
    if any(_is_control(char) for char in name):
        yield "control_character", "has a control character in its name"
    if "\\" in name:
        yield "backslash", "has a backslash in its name; folders are separated by '/'"
    if name.startswith("/"):
        yield "absolute_path", "has an absolute path"
    if _DRIVE.match(name):
        yield "drive_letter", "has a drive letter in its path"
    parts = name.removesuffix("/").removeprefix("/").split("/")
    if ".." in parts:
        yield "path_traversal", "leads out of the plugin's folder by '..'"
    if "" in parts or "." in parts:
        yield "empty_path_part", "has an empty part or '.' in its path"


def _is_control(char: str) -> bool:
    return (
        unicodedata.category(char) in _CONTROL_CATEGORIES or unicodedata.bidirectional(char) in _BIDIRECTIONAL_CONTROLS
    )


def _excessive_names(entry: Entry, limits: ArchiveLimits) -> Iterator[tuple[str, str]]:
    path = entry_path(entry)
    length = len("/".join(path).encode())
    folders = len(path) - (not entry.is_directory)
    if length > limits.max_path_bytes:
        yield "path_too_long", f"has a path of {length} bytes; {limits.max_path_bytes} are allowed"
    if any(len(part.encode()) > MAX_NAME_BYTES for part in path):
        yield "path_too_long", f"has a part of more than {MAX_NAME_BYTES} bytes in its path"
    if folders > limits.max_path_depth:
        yield "path_too_deep", f"lies {folders} folders deep; {limits.max_path_depth} are allowed"


def _forbidden_kinds(entry: Entry) -> Iterator[tuple[str, str]]:
    kind = stat.S_IFMT(entry.mode)
    if kind == stat.S_IFLNK:
        yield "link", "is a symbolic link; put the file itself into the archive"
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        yield "special_file", "is a device or another special file"
    elif kind and (kind == stat.S_IFDIR) != entry.is_directory:
        yield "header_disagreement", "is a folder by its name or by its attributes, but not by both"
    if entry.is_directory and entry.unpacked_bytes:
        yield "header_disagreement", "is a folder, but has data"


def collisions(entries: Iterable[Entry]) -> Iterator[Fault]:
    """Names that are one and the same on some system, and files that stand where a folder is needed.

    Names are compared as Unicode's canonical caseless matching does (The Unicode Standard, section 3.13, D145).
    """
    nodes: dict[PathParts, _Node] = {}
    for entry in entries:
        parts = tuple(entry.name.removesuffix("/").split("/"))
        key = tuple(_caseless(part) for part in parts)
        for depth in range(1, len(parts) + 1):
            leaf = depth == len(parts)
            node = _Node("/".join(parts[:depth]), entry.is_directory or not leaf, listed=leaf)
            known = nodes.setdefault(key[:depth], node)
            if known is not node:
                yield from _clash(entry, node, known)
                nodes[key[:depth]] = structs.replace(known, listed=known.listed or leaf)


class _Node(Struct, frozen=True):
    """A file or folder of the tree; ``listed`` when an entry names it, and not only something inside it."""

    name: str
    is_folder: bool
    listed: bool


def _clash(entry: Entry, node: _Node, known: _Node) -> Iterator[Fault]:
    if known.is_folder != node.is_folder:
        predicate = f"needs a folder where {quoted(known.name)} is a file"
        if known.is_folder:
            predicate = f"is a file where {quoted(known.name)} is a folder"
        yield _fault("file_and_folder", entry, predicate)
    elif known.name != node.name:
        yield _fault(
            "colliding_entry", entry, f"collides with {quoted(known.name)}, which many systems take for the same"
        )
    elif known.listed and node.listed:
        yield _fault("duplicate_entry", entry, "comes more than once")


def _caseless(text: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())


def plugin_tree(entries: Iterable[Entry]) -> dict[PathParts, Entry]:
    """The entries that make up the plugin, by their path in it: without junk and without a single folder around all.

    A folder is stepped into when every file lies in it, as in the archives that GitHub makes.
    """
    tree = {path: entry for entry in entries if not _is_junk(path := entry_path(entry))}
    tops = {path[0] for path, entry in tree.items() if len(path) > 1 or not entry.is_directory}
    files_on_top = any(len(path) == 1 and not entry.is_directory for path, entry in tree.items())
    if files_on_top or len(tops) != 1:
        return tree
    return {path[1:]: entry for path, entry in tree.items() if path[0] in tops and len(path) > 1}


def _is_junk(path: PathParts) -> bool:
    return any(part.casefold() in JUNK for part in path)


def _fault(code: str, entry: Entry, predicate: str) -> Fault:
    return Fault(Stage.ARCHIVE, code, f"The entry {quoted(entry.name)} {predicate}", printable(entry.name))
