"""The index: everything the database knows, in one object."""

from cadence.storage.grants import GrantIndex
from cadence.storage.installs import InstallIndex
from cadence.storage.resolutions import ResolutionIndex
from cadence.storage.servers import ServerIndex


class Index(GrantIndex, InstallIndex, ResolutionIndex, ServerIndex):
    """The index of one instance; any number of threads and processes use it at once. ``Index.open(path)``."""
