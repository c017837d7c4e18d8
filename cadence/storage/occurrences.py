"""The index of what happened, read as one: changes of active versions and events, of one plugin or of all.

What is asked of all plugins is found by index whatever part of it is wanted. For that each kind, on the word of each
origin, is asked for its latest, and the latest of these are taken: a rare kind is not looked for among all others.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from itertools import product

from packaging.version import InvalidVersion, Version

from cadence.history import ActivationCause, EventKind, HistoryQuestion, Occurrence, Position
from cadence.origin import Origin, OriginKind
from cadence.storage.database import Connections, Row

#: The name of an event that is of every plugin: no plugin has it.
EVERY_PLUGIN = ""

#: Where the kinds of each sort are. What an event and a change of the active version both tell of is in it once.
_TABLES: Mapping[type[StrEnum], str] = {
    ActivationCause: """
        SELECT at, 1 AS changed, n, name, version, cause AS kind, previous_version, install_id, origin, client,
            ifnull((SELECT nullif(words, '') FROM events WHERE change = activations.n), words) AS words
        FROM activations WHERE {where}""",
    EventKind: """
        SELECT at, 0 AS changed, n, name, version, kind, NULL AS previous_version, install_id, origin, client, words
        FROM events WHERE change IS NULL AND {where}""",
}
#: Nobody knows on whose word it was that is older than the keeping of that.
_ORIGINS = (None, *(kind.value for kind in OriginKind))


class OccurrenceIndex(Connections):
    """Every SQL statement that reads the past as one."""

    def history(self, question: HistoryQuestion, limit: int) -> list[Occurrence]:
        """What happened, the latest first: changes of active versions and everything else, each once."""
        parameters: dict[str, object] = {"limit": limit}
        shared = list(self._conditions(question, parameters))
        branches = [_branch(sort, [*shared, *own]) for sort, own in _parts(question, parameters)]
        if not branches:
            return []
        statement = f"{' UNION ALL '.join(branches)} ORDER BY at DESC, changed DESC, n DESC LIMIT :limit"
        return [_occurrence(row) for row in self.database.query(statement, parameters)]

    def history_versions(self, name: str) -> list[str]:
        """The versions that the history of a plugin tells of, the highest first."""
        rows = self.database.rows(
            "SELECT version FROM activations WHERE name = ?1 AND version IS NOT NULL "
            "UNION SELECT version FROM events WHERE name = ?1 AND version IS NOT NULL",
            name,
        )
        return sorted((row["version"] for row in rows), key=_version_order, reverse=True)

    def _conditions(self, question: HistoryQuestion, parameters: dict[str, object]) -> Iterator[str]:
        if question.name is not None:
            # What happened to every plugin happened to this one too, from when it was first heard of.
            since = self._first_heard_of(question.name)
            parameters |= {"name": question.name, "every": EVERY_PLUGIN, "since": since}
            yield "(name = :name OR name = :every AND at >= :since)"
        if question.version is not None:
            parameters["version"] = question.version
            yield "(version = :version OR previous_version = :version)"
        if question.before is not None:
            parameters |= {"at": question.before.at, "is_change": question.before.changed, "n": question.before.n}
            yield "at <= :at AND (at, changed, n) < (:at, :is_change, :n)"  # the first by its index

    def _first_heard_of(self, name: str) -> str | None:
        row = self.database.row(
            "SELECT min(at) AS at FROM (SELECT min(at) AS at FROM activations WHERE name = ?1 "
            "UNION ALL SELECT min(at) FROM events WHERE name = ?1)",
            name,
        )
        return row["at"] if row else None


def _parts(question: HistoryQuestion, parameters: dict[str, object]) -> Iterator[tuple[type[StrEnum], tuple[str, ...]]]:
    """Where to look, and for what there: each kind and origin by itself, or all at once where that is no more work.

    It is no more for one plugin, of which there are not many, and where kind and origin do not matter.
    """
    origins = _ORIGINS if question.origin is None else (question.origin.value,)
    parameters |= {f"origin{number}": origin for number, origin in enumerate(origins)}
    for sort in _TABLES:
        kinds = [kind.value for kind in sort if question.kinds is None or kind.value in question.kinds]
        parameters |= {f"{sort.__name__}{number}": kind for number, kind in enumerate(kinds)}
        of_kinds = [f":{sort.__name__}{number}" for number in range(len(kinds))]
        of_origins = [f"origin IS :origin{number}" for number in range(len(origins))]
        if question.name is not None:
            yield sort, (f"kind IN ({', '.join(of_kinds)})", f"({' OR '.join(of_origins)})")
        elif question.kinds is None and question.origin is None:
            yield sort, ()
        else:
            yield from ((sort, (f"kind = {kind}", origin)) for kind, origin in product(of_kinds, of_origins))


def _branch(sort: type[StrEnum], conditions: list[str]) -> str:
    """One part of the question, as far as it can matter: no more of it is read than is wanted in all."""
    where = " AND ".join(conditions) or "1"
    return f"SELECT * FROM ({_TABLES[sort].format(where=where)} ORDER BY at DESC, n DESC LIMIT :limit)"  # noqa: S608 - no value of anybody's is in it


def _version_order(text: str) -> tuple[bool, Version, str]:
    """What is no version, of a file that was refused for it, comes last."""
    try:
        return True, Version(text), text
    except InvalidVersion:
        return False, Version("0"), text


def _occurrence(row: Row) -> Occurrence:
    changed = bool(row["changed"])
    return Occurrence(
        position=Position(row["at"], changed, row["n"]),
        name=None if row["name"] == EVERY_PLUGIN else row["name"],
        version=row["version"],
        kind=ActivationCause(row["kind"]) if changed else EventKind(row["kind"]),
        words=row["words"],
        previous_version=row["previous_version"],
        install_id=row["install_id"],
        origin=Origin(OriginKind(row["origin"]), row["client"]) if row["origin"] else None,
    )
