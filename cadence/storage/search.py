"""The index of what versions say of themselves: found by words, page by page."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby, islice
from operator import itemgetter

from msgspec import Struct
from packaging.version import Version

from cadence.model import PluginRef, VersionRecord
from cadence.storage.versions import VersionIndex

#: What FTS5's ``unicode61`` makes tokens of: letters and digits, not the underscore (https://sqlite.org/fts5.html).
_WORD = re.compile(r"[^\W_]+")
#: More words than these are not looked for; nobody types as many.
_MAX_WORDS = 16


class VersionPage(Struct, frozen=True):
    """Some versions, by name, the highest of each first, and the last of them where more follow; None otherwise."""

    records: tuple[VersionRecord, ...]
    last: PluginRef | None


class SearchIndex(VersionIndex):
    """Every SQL statement that looks for versions by words."""

    def find_versions(self, words: str = "", limit: int = 100, after: PluginRef | None = None) -> VersionPage:
        """The versions whose name, description, capabilities or tools have all the words, or words that begin so.

        :param words: as a person types them; without any every version is found, and with nothing but signs none.
        :param limit: how many at most.
        :param after: only what comes after this version, which need not be installed any more.
        """
        query = query_of(words)
        if query is None:
            return VersionPage((), None)
        refs = list(islice(self._refs_after(query, after), limit + 1))
        found = (self.version(ref) for ref in refs[:limit])
        records = tuple(record for record in found if record is not None)
        return VersionPage(records, refs[limit - 1] if len(refs) > limit else None)

    def _refs_after(self, query: str, after: PluginRef | None) -> Iterator[PluginRef]:
        name = after.name if after else ""
        if query:
            rows = self.database.execute(
                "SELECT t.name, t.version FROM version_words JOIN version_texts AS t ON t.id = version_words.rowid "
                "WHERE version_words MATCH ? AND t.name >= ? ORDER BY t.name",
                (query, name),
            )
        else:
            rows = self.database.execute("SELECT name, version FROM versions WHERE name >= ? ORDER BY name", (name,))
        # The order of versions is none that SQL knows; there are few of one name.
        for found, group in groupby(rows, key=itemgetter(0)):
            refs = sorted((PluginRef(found, version) for _, version in group), key=_key, reverse=True)
            yield from (ref for ref in refs if after is None or found != after.name or _key(ref) < _key(after))


def _key(ref: PluginRef) -> tuple[Version, str]:
    """Two spellings of one version, such as 1.0 and 1.0.0, are in the order of their text."""
    return Version(ref.version), ref.version


def query_of(words: str) -> str | None:
    """The words in the language of FTS5, each quoted; empty for none, ``None`` where there is no word among signs."""
    found = _WORD.findall(unicodedata.normalize("NFC", words))[:_MAX_WORDS]
    if words.strip() and not found:
        return None
    return " ".join(f'"{word}"*' for word in found)
