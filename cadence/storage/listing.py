"""What the index knows of every plugin, in the little that a list of thousands needs."""

from msgspec import Struct

from cadence.model import PluginRef
from cadence.storage.search import SearchIndex, query_of


class PluginLine(Struct, frozen=True):
    """One plugin: how many versions are installed, when the last of them was (UTC, ISO 8601), what was decided.

    ``quarantined`` is whether one of its versions was taken back.
    """

    name: str
    active_version: str | None
    disabled: bool
    pinned: bool
    versions: int
    latest: str
    quarantined: bool


class ListingIndex(SearchIndex):
    """Every SQL statement that reads all plugins at once."""

    def plugin_lines(self) -> list[PluginLine]:
        """Every installed plugin, by name. Reads an index of the table alone, and no report of any version."""
        rows = self.database.execute("""
            SELECT p.name, p.active_version, p.disabled, p.pinned, count(*), max(v.installed_at),
                max(v.quarantine IS NOT NULL)
            FROM plugins AS p JOIN versions AS v ON v.name = p.name
            GROUP BY p.name ORDER BY p.name""")
        return [PluginLine(name, active, bool(d), bool(p), n, at, bool(q)) for name, active, d, p, n, at, q in rows]

    def versions_in(self, environment: str) -> list[PluginRef]:
        """The versions that use an environment of packages, by name."""
        rows = self.database.execute(
            "SELECT name, version FROM versions WHERE environment = ? ORDER BY name, installed_at", (environment,)
        )
        return [PluginRef(name, version) for name, version in rows]

    def names_with(self, words: str) -> set[str]:
        """The plugins of which a version has all the words: as :meth:`find_versions`, which takes the same."""
        query = query_of(words)
        if query is None:
            return set()
        if not query:
            return {line.name for line in self.plugin_lines()}
        rows = self.database.execute(
            "SELECT DISTINCT t.name FROM version_words JOIN version_texts AS t ON t.id = version_words.rowid "
            "WHERE version_words MATCH ?",
            (query,),
        )
        return {name for (name,) in rows}
