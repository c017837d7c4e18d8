"""The index: everything the database knows, in one object."""

from cadence.storage.commits import CommitIndex
from cadence.storage.grants import GrantIndex
from cadence.storage.installs import InstallIndex
from cadence.storage.listing import ListingIndex
from cadence.storage.reloads import ReloadIndex
from cadence.storage.resolutions import ResolutionIndex
from cadence.storage.servers import ServerIndex
from cadence.storage.statistics import StatisticsIndex
from cadence.storage.threads import ThreadIndex


class Index(
    CommitIndex,
    GrantIndex,
    InstallIndex,
    ListingIndex,
    ReloadIndex,
    ResolutionIndex,
    ServerIndex,
    StatisticsIndex,
    ThreadIndex,
):
    """The index of one instance; any number of threads and processes use it at once. ``Index.open(path)``."""
