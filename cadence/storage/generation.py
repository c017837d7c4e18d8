"""The generation: the number that rises with every change of what should be live, so that every server sees it."""

from cadence.storage.database import Connections


class GenerationIndex(Connections):
    """Every SQL statement about the generation."""

    def generation(self) -> int:
        """The number that rises with every change of what should be live. Some 5 µs: meant to be polled.

        (``PRAGMA data_version`` would cost the same and does not see the changes of its own connection.)
        """
        return self._state("generation")

    def reload_generation(self) -> int:
        """The generation at which a reload was last asked for; 0 when it never was."""
        return self._state("reload_generation")

    def raise_generation(self) -> int:
        """Have every server look at what should be live, and give the new generation. Within a transaction."""
        self.database.execute("UPDATE state SET generation = generation + 1")
        return self.generation()

    def _state(self, column: str) -> int:
        (number,) = self.database.conn.execute(f"SELECT {column} FROM state").fetchone()  # noqa: S608 - a literal
        return int(number)
