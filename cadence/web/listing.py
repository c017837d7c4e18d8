"""A page of the list of plugins: the question for it, and the value that answers it."""

from enum import StrEnum

from msgspec import Struct

from cadence.web.present import STATUS_LABELS, PluginStatus

PAGE_PLUGINS = 25
"""So many plugins are on a page of the list."""


class Sort(StrEnum):
    """What the list is sorted by; among equals by name."""

    NAME = "name"
    STATUS = "status"
    NEWEST = "newest"
    CALLED = "called"
    CALLS = "calls"
    ERRORS = "errors"


class ListQuestion(Struct, frozen=True):
    """Which page of which list: ``search`` are words as a person types them, ``page`` counts from 1."""

    search: str = ""
    status: PluginStatus | None = None
    sort: Sort = Sort.NAME
    page: int = 1


class ListedPlugin(Struct, frozen=True):
    """One line of the list.

    ``version`` is the active one or, without one, the highest; ``versions`` how many are installed. ``reasons`` are
    sentences on why it stands as it does, where the status alone does not say it. ``calls`` and ``errors`` are those of
    each of the last 60 minutes, the one that runs last, in the server process that answers. ``memory_bytes`` is what
    its worker has for itself, None where it has none, or was not measured yet.
    """

    name: str
    version: str
    versions: int
    description: str
    status: PluginStatus
    reasons: tuple[str, ...]
    tools: tuple[str, ...] = ()
    pinned: bool = False
    is_new: bool = False
    from_folder: bool = False
    last_called_at: str | None = None
    calls: tuple[int, ...] = ()
    errors: tuple[int, ...] = ()
    memory_bytes: int | None = None

    @property
    def status_label(self) -> str:
        """The status in a word."""
        return STATUS_LABELS[self.status]

    @property
    def is_awake(self) -> bool:
        """Whether a worker of it runs."""
        return self.status in ("live", "degraded")


class Answering(Struct, frozen=True):
    """A plugin that can answer, and its active version."""

    name: str
    version: str


class ListPage(Struct, frozen=True):
    """A page of the list. ``question`` is what it answers, with a page there is.

    ``counts`` are the plugins that the search finds, by status, ``found`` those that have the wanted status too, and
    ``installed`` all there are.
    """

    question: ListQuestion
    plugins: tuple[ListedPlugin, ...]
    counts: dict[PluginStatus, int]
    found: int
    installed: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.found // PAGE_PLUGINS))

    @property
    def matching(self) -> int:
        """How many plugins the search finds, whatever their status."""
        return sum(self.counts.values())
