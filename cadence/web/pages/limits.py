"""The words for limits: what the System page, the page of a plugin and its form call them."""

from msgspec import Struct

from cadence.model import Limits


class LimitWords(Struct, frozen=True):
    """One limit: its field in :class:`~cadence.model.Limits`, and the setting of its default."""

    name: str
    label: str
    unit: str
    meaning: str
    variable: str

    def shown(self, limits: Limits) -> str:
        """Its value with the unit: ``512 MiB``."""
        return f"{getattr(limits, self.name):,g} {self.unit}".rstrip()

    def number(self, limits: Limits) -> str:
        """Its value as it is typed into a field: ``512``."""
        return f"{getattr(limits, self.name):.12g}"


LIMITS = (
    LimitWords("memory_mb", "Memory", "MiB", "What it may allocate.", "CADENCE_PLUGIN_MEMORY_MB"),
    LimitWords("call_seconds", "Time for a call", "seconds", "Then the call ends.", "CADENCE_CALL_SECONDS"),
    LimitWords("cpu_percent", "Processor", "% of one processor", "200 is two of them.", "CADENCE_PLUGIN_CPU_PERCENT"),
    LimitWords("processes", "Processes", "", "How many it may start.", "CADENCE_PLUGIN_PROCESSES"),
    LimitWords("threads", "Threads", "", "How many it may run.", "CADENCE_PLUGIN_THREADS"),
    LimitWords("open_files", "Open files", "", "Files and sockets at once.", "CADENCE_PLUGIN_OPEN_FILES"),
    LimitWords("data_mb", "Disk", "MiB", "Its data and temporary files together.", "CADENCE_PLUGIN_DATA_MB"),
)
