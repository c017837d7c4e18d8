"""The index of the grants: what each plugin is permitted."""

import msgspec

from cadence.errors import NotFound
from cadence.model import Granted, Grants
from cadence.storage.versions import VersionIndex


class GrantIndex(VersionIndex):
    """Every SQL statement about grants.

    They belong to the name: they outlive an upgrade, and go with the last version. Environment values stand here in
    plain text, so the file is its owner's alone. Whoever changes them holds the plugin's
    :func:`~cadence.storage.locks.plugin_lock`.
    """

    def granted(self, name: str) -> Granted:
        """The grants of a plugin; those of revision 0 where none were ever set, or there is no such plugin."""
        row = self.database.row("SELECT grants, revision FROM grants WHERE name = ?", name)
        if row is None:
            return Granted()
        return Granted(msgspec.json.decode(row["grants"], type=Grants), row["revision"])

    def put_grants(self, name: str, grants: Grants) -> Granted:
        """Put grants in the place of those a plugin has, and raise the generation.

        :raises NotFound: when no version of it is installed.
        """
        with self.database.atomic() as db:
            if self.database.row("SELECT name FROM plugins WHERE name = ?", name) is None:
                raise NotFound(f"No plugin {name!r} is installed.")
            granted = Granted(grants, self.raise_generation())
            db.execute(
                "INSERT INTO grants VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET revision = excluded.revision, grants = excluded.grants",
                (name, granted.revision, msgspec.json.encode(grants).decode()),
            )
        return granted
