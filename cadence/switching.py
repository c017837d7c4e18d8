"""What operators decide about a plugin: which version answers, whether that is fixed, whether it answers at all.

A version that is to answer is loaded in a worker first. Only when it has, the index changes, and the worker takes over
by a swap; the one before answers until then, and goes on where the other does not load. Without a trial the index is
changed and nothing else, so that the command line can do it while no server runs, or none can.

Each decision takes what whoever decides has seen, ``expected``. Where somebody else was faster, and that is not so any
more, nothing is done: it is compared before a trial, and again in the transaction that decides.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct, structs

from cadence.errors import NotFound, PluginUnavailable, Refused
from cadence.expectation import ANYTHING, Expected
from cadence.history import PluginState
from cadence.model import PluginRef, VersionRecord
from cadence.runtime.launcher import Launch
from cadence.runtime.live_set import LiveSet
from cadence.runtime.worker import Worker
from cadence.storage.activation import Decided
from cadence.storage.index import Index
from cadence.storage.locks import plugin_lock

#: How long a decision waits for an install or another change of the same plugin, in seconds.
WAIT_SECONDS = 60.0


class NothingBefore(Refused):
    """There is no version to roll back to."""

    status = 409
    message = "Nothing to roll back to"


class Switched(Struct, frozen=True):
    """What came of it: the version that answers now and the one that did before, and how the plugin stands."""

    name: str
    version: str | None
    previous_version: str | None
    state: PluginState


class Switcher:
    """Changes which version answers.

    :param live_set: where versions answer. Without it nothing is tried out.
    :param launch_of: how a version is started with the grants its plugin has.
    """

    def __init__(
        self,
        index: Index,
        live_set: LiveSet | None = None,
        launch_of: Callable[[VersionRecord], Launch] | None = None,
    ) -> None:
        self._index = index
        self._live_set = live_set
        self._launch_of = launch_of

    def activate(
        self, name: str, version: str, *, trial: bool = True, pin: bool = False, expected: Expected = ANYTHING
    ) -> Switched:
        """Have an installed version answer; an operator's word lifts its quarantine and begins its probation anew.

        A pin is lifted with it, unless it is pinned itself.

        :param trial: load it in a worker first, which then answers; without, only the index is changed, and every
            server follows (for the command line where no server can run).
        :raises NotFound: when it is not installed.
        :raises ValidationFailed: when it does not load, or another plugin has its metadata name; the version that
            answers stays.
        :raises Busy: when the plugin is installed, or changed otherwise, at this moment and for long.
        :raises Outdated: when it does not stand as ``expected``, whose install is that of ``version``.
        """
        ref = PluginRef(name, version)
        self._require_installed(ref)
        with self._changing(name):
            record = self._require_installed(ref)
            self._index.require_expected(ref, expected)
            return self._switch(record, trial, lambda: self._index.activate(name, version, pin=pin, expected=expected))

    def roll_back(self, name: str, *, trial: bool = True, expected: Expected = ANYTHING) -> Switched:
        """Have the version answer that was active before the present one. Raises as :meth:`activate`.

        :param expected: its target is the version to which this was said to lead, and its install the one of that.
        :raises NotFound: when the plugin is not installed.
        :raises NothingBefore: (409) when there is no such version any more.
        """
        self._require_state(name)
        with self._changing(name):
            self._require_state(name)
            version = self._index.rollback_target(name)
            self._index.require_expected(PluginRef(name, version or ""), expected)
            expected.require_target(name, version, "a roll back")
            if version is None:
                raise _nothing_before(name)
            record = self._require_installed(PluginRef(name, version))

            def decide() -> Decided:
                decided = self._index.roll_back(name, version, expected)
                assert decided is not None
                return decided

            return self._switch(record, trial, decide)

    def pin(
        self, name: str, version: str | None = None, *, trial: bool = True, expected: Expected = ANYTHING
    ) -> Switched:
        """Keep the active version, or make ``version`` the active one and keep that, until it is unpinned.

        :raises NotFound: when it is not installed, or there is no active version to keep.
        :raises Outdated: when it does not stand as ``expected``, or ``version`` is not active any more just then.
        """
        if version is not None:
            if self._require_state(name).active_version != version:
                return self.activate(name, version, trial=trial, pin=True, expected=expected)
            self._index.require_expected(PluginRef(name, version), expected)
            expected = structs.replace(expected, active_version=version)
        self._index.pin(name, expected)
        return self._unchanged(name)

    def unpin(self, name: str, expected: Expected = ANYTHING) -> Switched:
        """Let the highest version that is uploaded become active again, from the next upload on.

        :raises NotFound: when the plugin is not installed.
        :raises Outdated: when it does not stand as ``expected``.
        """
        self._index.unpin(name, expected)
        return self._unchanged(name)

    def disable(self, name: str, expected: Expected = ANYTHING) -> Switched:
        """Have the plugin answer no more, whatever is uploaded, until it is enabled. Waits for nothing.

        :raises NotFound: when the plugin is not installed.
        :raises Outdated: when it does not stand as ``expected``.
        """
        decided = self._index.disable(name, expected)
        if self._live_set is not None:
            # An install that is under way swaps by an older generation, and so comes too late.
            self._live_set.remove(name, decided.generation)
        return self._unchanged(name)

    def enable(self, name: str, *, trial: bool = True, expected: Expected = ANYTHING) -> Switched:
        """Have it answer again. Raises as :meth:`activate`; it stays disabled then."""
        self._require_state(name)
        with self._changing(name):
            state = self._require_state(name)
            if not state.disabled or state.active_version is None:
                self._index.enable(name, expected)
                return self._unchanged(name)
            ref = PluginRef(name, state.active_version)
            record = self._require_installed(ref)
            self._index.require_expected(ref, expected)
            return self._switch(record, trial, lambda: self._index.enable(name, expected))

    def _switch(self, record: VersionRecord, trial: bool, decide: Callable[[], Decided]) -> Switched:
        """Have a version answer by a decision. That of a disabled plugin is tried out, and does not answer."""
        live_set = self._live_set
        if not trial or live_set is None:
            return self._switched(record.ref.name, decide())
        worker = self._try_out(live_set, record)
        try:
            decided = decide()
            present = self._index.active_of(record.ref.name)
            # Where somebody decided otherwise in between, the generation is another too, and every server follows.
            if present is not None and present.ref == record.ref:
                live_set.swap(present, worker, decided.generation)
        finally:
            live_set.dismiss(worker)  # unless it answers by now
        return self._switched(record.ref.name, decided)

    def _try_out(self, live_set: LiveSet, record: VersionRecord) -> Worker:
        assert self._launch_of is not None
        try:
            return live_set.trial(self._launch_of(record))
        except OSError as failure:
            raise PluginUnavailable(f"The host could not start it: {failure.strerror}.", ref=record.ref) from failure

    @contextmanager
    def _changing(self, name: str) -> Iterator[None]:
        with plugin_lock(self._index.instance, name, timeout=WAIT_SECONDS):
            if self._live_set is None:
                yield
            else:
                with self._live_set.changing(name):
                    yield

    def _require_state(self, name: str) -> PluginState:
        state = self._index.plugin_state(name)
        if state is None:
            raise NotFound(f"No plugin {name!r} is installed.")
        return state

    def _require_installed(self, ref: PluginRef) -> VersionRecord:
        record = self._index.version(ref)
        if record is None:
            raise NotFound(f"{ref.name} {ref.version} is not installed.", ref=ref)
        return record

    def _switched(self, name: str, decided: Decided) -> Switched:
        return Switched(name, decided.version, decided.previous_version, self._require_state(name))

    def _unchanged(self, name: str) -> Switched:
        state = self._require_state(name)
        return Switched(name, state.active_version, state.active_version, state)


def _nothing_before(name: str) -> NothingBefore:
    return NothingBefore(f"No version of {name} was active before the present one that is installed and good.")
