"""The list of plugins, and what is done to several of them, without a server behind it."""

from collections import Counter
from collections.abc import Mapping, Sequence

from cadence.errors import InvalidRequest
from cadence.model import PluginRef
from cadence.web.bulk import BulkAction, BulkOutcome, BulkView
from cadence.web.listing import PAGE_PLUGINS, ListedPlugin, ListPage, ListQuestion, Sort
from cadence.web.pages.accounts import taken_back
from cadence.web.present import PluginView


class MadeUpList:
    """A list of what is installed. ``talks`` are the calls and errors of a plugin by minute, ``memory`` its bytes."""

    installed: list[PluginView]

    def __init__(self) -> None:
        self.talks: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
        self.memory: dict[str, int] = {}
        self.bulk: list[tuple[BulkAction, tuple[str, ...]]] = []

    def listed(self, question: ListQuestion) -> ListPage:
        """What has the words of the search in its name or description, sorted by name or status."""
        found = [view for view in self.installed if _fits(view, question.search)]
        counts = Counter(view.status for view in found)
        wanted = [view for view in found if question.status in (None, view.status)]
        if question.sort is Sort.STATUS:
            wanted.sort(key=lambda view: view.status != "failed")
        pages = max(1, -(-len(wanted) // PAGE_PLUGINS))
        number = min(max(1, question.page), pages)
        shown = wanted[(number - 1) * PAGE_PLUGINS : number * PAGE_PLUGINS]
        question = ListQuestion(question.search, question.status, question.sort, number)
        return ListPage(question, tuple(map(self._row, shown)), dict(counts), len(wanted), len(self.installed))

    def switch_all(self, action: BulkAction, names: Sequence[str]) -> BulkView:
        """Say that it was done to all that are installed."""
        if not names:
            raise InvalidRequest("Choose the plugins first.", message="No plugin chosen")
        self.bulk.append((action, tuple(names)))
        known = {view.name for view in self.installed}
        return BulkView(action, tuple(_outcome(name, name in known) for name in names))

    def delete_all(self, installs: Mapping[PluginRef, str]) -> BulkView:
        """Take out those that are there."""
        self.bulk.append((BulkAction.DELETE, tuple(f"{ref.name} {ref.version}" for ref in installs)))
        names = {ref.name for ref in installs}
        known = {view.name for view in self.installed}
        self.installed[:] = [view for view in self.installed if view.name not in names]
        return BulkView(
            BulkAction.DELETE, tuple(_outcome(f"{ref.name} {ref.version}", ref.name in known) for ref in installs)
        )

    def _row(self, view: PluginView) -> ListedPlugin:
        calls, errors = self.talks.get(view.name, ((), ()))
        words = (view.status_words,) if view.status_words not in ("", view.status_label) else ()
        return ListedPlugin(
            name=view.name,
            version=view.version,
            versions=len(view.versions),
            description=view.description,
            status=view.status,
            reasons=(*words, *taken_back(view)),
            tools=tuple(tool.name for tool in view.tools),
            pinned=view.pinned,
            is_new=view.is_new,
            from_folder=any(one.source == "directory" and one.active for one in view.versions),
            last_called_at=view.last_called_at,
            calls=calls,
            errors=errors,
            memory_bytes=self.memory.get(view.name),
        )


def _fits(view: PluginView, search: str) -> bool:
    return all(word in f"{view.name} {view.description}".lower() for word in search.lower().split())


def _outcome(what: str, is_there: bool) -> BulkOutcome:
    return BulkOutcome(what, is_there, "" if is_there else f"{what} is not installed.")
