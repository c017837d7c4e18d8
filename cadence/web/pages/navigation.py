"""The areas of the pages, in the order of the sidebar. An area is added here once it exists."""

from msgspec import Struct


class Area(Struct, frozen=True):
    """One entry of the sidebar; ``icon`` is a macro argument of ``partials/icons.html``."""

    key: str
    label: str
    endpoint: str
    icon: str


AREAS = (
    Area("plugins", "Plugin Management", "pages.plugins", "plugins"),
    Area("chat", "Chat", "pages.chat", "chat"),
    Area("history", "History", "pages.whole_history", "history"),
    Area("system", "System", "pages.system", "shield"),
)
