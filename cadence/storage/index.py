"""The index: everything the database knows, in one object."""

from cadence.storage.installs import InstallIndex
from cadence.storage.servers import ServerIndex
from cadence.storage.versions import VersionIndex


class Index(VersionIndex, InstallIndex, ServerIndex):
    """The index of one instance; any number of threads and processes use it at once. ``Index.open(path)``."""
