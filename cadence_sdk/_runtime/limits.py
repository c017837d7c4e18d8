"""How much a plugin may have: one frozen value that the server decides and the worker takes upon itself."""

from msgspec import Struct

MIB = 1024 * 1024
#: Exit codes of a worker that has no memory, or no thread, left to go on with.
MEMORY_EXIT = 112
THREADS_EXIT = 113


class Limits(Struct, frozen=True):
    """The bounds of one worker.

    ``memory_mb``, in MiB, is what it may allocate beyond what every worker has; ``call_seconds`` how long a call may
    take; ``cpu_percent`` its share of one processor (200 is two); ``processes`` how many it may start, ``threads`` how
    many it may run; ``open_files`` how many descriptors it may have; ``data_mb``, in MiB, what its data directory and
    its temporary files may hold together.
    """

    memory_mb: int = 512
    call_seconds: float = 30.0
    cpu_percent: int = 100
    processes: int = 0
    threads: int = 128
    open_files: int = 256
    data_mb: int = 1024

    @property
    def memory_bytes(self) -> int:
        """``memory_mb`` in bytes."""
        return self.memory_mb * MIB

    @property
    def data_bytes(self) -> int:
        """``data_mb`` in bytes."""
        return self.data_mb * MIB

    @property
    def memory_reached(self) -> str:
        """What is said of a worker that came to this limit; the others likewise."""
        return f"memory limit of {self.memory_mb} MiB reached"

    @property
    def data_reached(self) -> str:
        """See :attr:`memory_reached`."""
        return f"data limit of {self.data_mb} MiB reached"

    @property
    def threads_reached(self) -> str:
        """See :attr:`memory_reached`."""
        return f"limit of {self.threads} threads reached"

    @property
    def call_reached(self) -> str:
        """See :attr:`memory_reached`."""
        return f"call limit of {self.call_seconds:g} s reached"
