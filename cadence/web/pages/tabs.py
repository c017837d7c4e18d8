"""The sections of a plugin's pages: each has an address of its own, so that it can be kept, shared and gone back to."""

from msgspec import Struct


class Tab(Struct, frozen=True):
    """One section; ``follows`` is whether it is in the fragment that asks for itself, with the head of the page."""

    key: str
    label: str
    endpoint: str
    follows: bool = False


TABS = (
    Tab("overview", "Overview", "pages.plugin"),
    Tab("versions", "Versions", "pages.versions", follows=True),
    Tab("tools", "Tools", "pages.tools"),
    Tab("health", "Health", "pages.health", follows=True),
    Tab("logs", "Log", "pages.logs"),
    Tab("permissions", "Permissions", "pages.permissions"),
    Tab("packages", "Packages", "pages.packages"),
    Tab("history", "History", "pages.history", follows=True),
)
_BY_KEY = {tab.key: tab for tab in TABS}


def tab_of(key: str) -> Tab:
    """The section of a key; the first where there is none of it."""
    return _BY_KEY.get(key, TABS[0])
