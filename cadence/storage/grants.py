"""The index of the grants: what each plugin is permitted."""

import msgspec

from cadence.errors import InvalidGrants
from cadence.grant_changes import change_words
from cadence.history import EventKind
from cadence.model import Granted, Grants
from cadence.storage.database import Row
from cadence.storage.history import HistoryIndex
from cadence.storage.versions import VersionIndex

#: So many names can have grants that no plugin has yet: the table must not grow without end.
MAX_NAMES_AHEAD = 100


class GrantIndex(VersionIndex, HistoryIndex):
    """Every SQL statement about grants, but for the one that removes them with a plugin's last version.

    They belong to the name: they can be given before it is installed, outlive a first install that fails and every
    upgrade, and go with the last version. Environment values stand here in plain text, so the file is its owner's
    alone. Whoever changes them holds the plugin's :func:`~cadence.storage.locks.plugin_lock`.
    """

    def granted(self, name: str) -> Granted:
        """The grants of a plugin, installed or not; those of revision 0 where there are none."""
        row = self.database.row("SELECT grants, revision FROM grants WHERE name = ?", name)
        return Granted() if row is None else _granted(row)

    def all_granted(self) -> dict[str, Granted]:
        """The grants of every name that has some, installed or not, by name."""
        rows = self.database.rows("SELECT name, grants, revision FROM grants ORDER BY name")
        found = {row["name"]: _granted(row) for row in rows}
        return {name: granted for name, granted in found.items() if granted.grants != Grants()}

    def put_grants(self, name: str, grants: Grants) -> Granted:
        """Put grants in the place of those a name has, and raise the generation.

        Where it is not installed, grants that permit nothing remove what was given ahead.

        :param name: of a plugin, or one that a plugin can have.
        :raises InvalidGrants: when it is not installed, and too many such names have grants.
        """
        with self.database.atomic():
            installed = bool(self._installed(name))
            kind = EventKind.GRANTED if installed else EventKind.GRANTED_AHEAD
            if words := change_words(self.granted(name).grants, grants):
                self._write_event(name, None, kind, words)
            if not installed:
                if grants == Grants():
                    self.database.execute("DELETE FROM grants WHERE name = ?", (name,))
                    return Granted()
                self._require_room_ahead(name)
            granted = Granted(grants, self.raise_generation())
            self.database.execute(
                "INSERT INTO grants VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET revision = excluded.revision, grants = excluded.grants",
                (name, granted.revision, msgspec.json.encode(grants).decode()),
            )
        return granted

    def _require_room_ahead(self, name: str) -> None:
        row = self.database.row(
            "SELECT count(*) AS others FROM grants WHERE name != ? AND name NOT IN (SELECT name FROM versions)", name
        )
        if row is not None and row["others"] >= MAX_NAMES_AHEAD:
            raise InvalidGrants(
                f"{MAX_NAMES_AHEAD} names that are not installed have grants already. See which with: flask plugins "
                "grant; remove those of one with: flask plugins grant NAME --reset.",
                message="Too many grants ahead of installs",
            )


def _granted(row: Row) -> Granted:
    return Granted(msgspec.json.decode(row["grants"], type=Grants), row["revision"])
