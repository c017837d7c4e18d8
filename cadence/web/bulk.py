"""What is done to several plugins at once: each by itself, and what came of each is told."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from cadence.errors import CadenceError, InvalidRequest
from cadence.expectation import Expected
from cadence.model import PluginRef
from cadence.parts import Parts, Running
from cadence.web.present import human_ms

MOST_AT_ONCE = 100
"""So many plugins can be chosen at once; it is more than a page of the list has."""

MOST_VERSIONS_AT_ONCE = 1000
"""So many versions can be deleted at once: a plugin has several, and all of them go with it."""


class BulkAction(StrEnum):
    """What can be done to several plugins."""

    RELOAD = "reload"
    DISABLE = "disable"
    ENABLE = "enable"
    DELETE = "delete"


class BulkOutcome(Struct, frozen=True):
    """What came of it for one plugin, or one version: ``words`` say why it failed, or what there is to know."""

    what: str
    succeeded: bool
    words: str = ""


class BulkView(Struct, frozen=True):
    """What came of it for each, those that failed first."""

    action: BulkAction
    outcomes: tuple[BulkOutcome, ...]

    @property
    def failed(self) -> int:
        """How many failed."""
        return sum(not one.succeeded for one in self.outcomes)


class BulkServices:
    """Doing one thing to several plugins."""

    _parts: Parts

    @property
    def running(self) -> Running:
        """The runtime, started where it was not."""
        return self._parts.serving

    def switch_all(self, action: BulkAction, names: Sequence[str]) -> BulkView:
        """Disable or enable plugins, or load them anew.

        :raises InvalidRequest: when there is none, or too many.
        """
        _require_some(names)
        if action is BulkAction.RELOAD:
            return self._reloaded(names)
        switcher = self.running.switcher
        tries = not self._parts.settings.safe_mode

        def enable(name: str) -> None:
            switcher.enable(name, trial=tries)

        def disable(name: str) -> None:
            switcher.disable(name)

        return _done(action, names, enable if action is BulkAction.ENABLE else disable)

    def delete_all(self, installs: Mapping[PluginRef, str]) -> BulkView:
        """Take out versions.

        :param installs: the install of each that is meant: one that was replaced since is left alone.
        :raises InvalidRequest: when there is none, or too many.
        """
        require_deletable(len(installs))
        by_name = {f"{ref.name} {ref.version}": (ref, Expected(install_id=one)) for ref, one in installs.items()}
        # What answers goes last: before, each of the others would answer in its place for a moment.
        found = map(self._parts.index.active_of, {ref.name for ref in installs})
        active = {record.ref for record in found if record is not None}
        order = sorted(by_name, key=lambda words: by_name[words][0] in active)
        view = _done(BulkAction.DELETE, order, lambda words: self.running.remover.delete(*by_name[words]))
        places = {words: place for place, words in enumerate(by_name)}
        return _view(BulkAction.DELETE, sorted(view.outcomes, key=lambda one: places[one.what]))

    def _reloaded(self, names: Sequence[str]) -> BulkView:
        report = self.running.reconciler.reload(names)
        done = {plugin.name: plugin for plugin in report.plugins}
        outcomes = []
        for name in names:
            one = done.get(name)
            if one is None:
                outcomes.append(BulkOutcome(name, succeeded=False, words="Nothing of it is active, or it is disabled."))
            elif one.error:
                outcomes.append(BulkOutcome(f"{name} {one.version}", succeeded=False, words=one.error))
            else:
                took = human_ms(one.ms) if one.ms is not None else ""
                outcomes.append(BulkOutcome(f"{name} {one.version}", succeeded=True, words=took))
        return _view(BulkAction.RELOAD, outcomes)


def require_deletable(versions: int) -> None:
    """See that so many versions can be deleted at once.

    :raises InvalidRequest: when there is none, or too many.
    """
    if not versions:
        raise InvalidRequest("Choose the plugins first.", message="No plugin chosen")
    if versions > MOST_VERSIONS_AT_ONCE:
        words = f"They have {versions} versions, and at most {MOST_VERSIONS_AT_ONCE} can be deleted at once."
        raise InvalidRequest(f"{words} Choose fewer plugins, or delete versions on the plugin's page.")


def _require_some(chosen: Collection[object]) -> None:
    if not chosen:
        raise InvalidRequest("Choose the plugins first.", message="No plugin chosen")
    if len(chosen) > MOST_AT_ONCE:
        raise InvalidRequest(f"Choose at most {MOST_AT_ONCE} at once, not {len(chosen)}.", message="Too many chosen")


def _done(action: BulkAction, names: Iterable[str], do: Callable[[str], object]) -> BulkView:
    outcomes = []
    for name in names:
        try:
            do(name)
        except CadenceError as error:
            outcomes.append(BulkOutcome(name, succeeded=False, words=error.in_words))
        else:
            outcomes.append(BulkOutcome(name, succeeded=True))
    return _view(action, outcomes)


def _view(action: BulkAction, outcomes: Iterable[BulkOutcome]) -> BulkView:
    return BulkView(action, tuple(sorted(outcomes, key=lambda one: one.succeeded)))
