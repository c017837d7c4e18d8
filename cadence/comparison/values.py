"""The values that a comparison is made of: frozen, bounded in size, and fit to be shown.

Every list is in one order and holds at most :data:`MAX_LISTED` entries; ``left_out`` says how many more there are.
``unknown`` says in a sentence why a part could not be compared, None where it was.
"""

from msgspec import Struct

MAX_LISTED = 300

MAX_TOOL_CHANGES = 600
"""Changes that are listed of all tools together; of each that changed there is one at least."""


class FileFacts(Struct, frozen=True):
    """A file: its size in bytes and the SHA-256 of its contents, in hexadecimal."""

    size_bytes: int
    sha256: str


class FileChange(Struct, frozen=True):
    """A file that is not as it was, by its path in the plugin; a size is null on the side where there is no file."""

    path: str
    old_bytes: int | None
    new_bytes: int | None


class FileChanges(Struct, frozen=True):
    """The files that came, went, or have other contents; how many are the same is ``unchanged``."""

    added: tuple[FileChange, ...] = ()
    removed: tuple[FileChange, ...] = ()
    changed: tuple[FileChange, ...] = ()
    unchanged: int = 0
    left_out: int = 0
    unknown: str | None = None


class Package(Struct, frozen=True):
    """A package that only one side brings."""

    name: str
    version: str


class PackageChange(Struct, frozen=True):
    """A package that both bring, in different versions."""

    name: str
    old_version: str
    new_version: str


class PackageChanges(Struct, frozen=True):
    """The packages that a plugin brings, transitive ones too."""

    added: tuple[Package, ...] = ()
    removed: tuple[Package, ...] = ()
    changed: tuple[PackageChange, ...] = ()
    left_out: int = 0
    unknown: str | None = None


class TextChanges(Struct, frozen=True):
    """Texts that only one side has, such as requirements or findings."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    left_out: int = 0
    unknown: str | None = None


class Change(Struct, frozen=True):
    """One difference in words; ``breaking`` is whether a call that was right before may be refused now."""

    words: str
    breaking: bool = False


class ToolChange(Struct, frozen=True):
    """A tool that is on both sides and not the same."""

    name: str
    changes: tuple[Change, ...]

    @property
    def breaking(self) -> bool:
        """Whether any of it may break a caller."""
        return any(change.breaking for change in self.changes)


class ToolChanges(Struct, frozen=True):
    """The tools that came, went, or changed."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[ToolChange, ...] = ()
    left_out: int = 0
    unknown: str | None = None


class Comparison(Struct, frozen=True):
    """What is different in ``new_version`` of a plugin from ``old_version``.

    ``breaking`` are the differences that may break who calls its tools, as sentences. ``needs`` are the places it asks
    to connect to and the memory it asks for, ``findings`` the warnings of inspection and trial, ``description`` what it
    says of itself, as sentences.
    """

    plugin_name: str
    old_version: str
    new_version: str
    breaking: tuple[str, ...] = ()
    tools: ToolChanges = ToolChanges()
    needs: TextChanges = TextChanges()
    findings: TextChanges = TextChanges()
    requirements: TextChanges = TextChanges()
    packages: PackageChanges = PackageChanges()
    files: FileChanges = FileChanges()
    description: TextChanges = TextChanges()

    @property
    def _parts(self) -> "tuple[_Part, ...]":
        texts = (self.needs, self.findings, self.requirements, self.description)
        return (self.tools, self.packages, self.files, *texts)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Why parts of it are not known, each reason once."""
        return tuple(dict.fromkeys(part.unknown for part in self._parts if part.unknown))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is different, as far as that is known."""
        return not any(map(_total, self._parts))

    def summary(self) -> str:
        """All of it in one sentence."""
        if self.is_empty:
            return "Nothing is different." if not self.unknown else "Nothing is different in what could be compared."
        counts = (
            _counted(len(self.breaking), "change", "that may break its callers"),
            _counted(_total(self.tools), "tool"),
            _counted(_total(self.needs), "need"),
            _counted(_total(self.findings), "finding"),
            _counted(_total(self.requirements), "requirement"),
            _counted(_total(self.packages), "package"),
            _counted(_total(self.files), "file"),
        )
        said = [words for words in counts if words]
        return f"Different: {', '.join(said)}." if said else "It says something else of itself."


_Part = FileChanges | PackageChanges | TextChanges | ToolChanges


def _total(part: _Part) -> int:
    """How much is different in a part, what is left out of its lists included."""
    changed = () if isinstance(part, TextChanges) else part.changed
    return len(part.added) + len(part.removed) + len(changed) + part.left_out


def _counted(count: int, noun: str, rest: str = "") -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}{f' {rest}' if rest else ''}" if count else ""
