"""Changing what a plugin is permitted, while it answers.

The plugin is loaded with the new grants in a worker that answers no one yet. It then takes over by a swap, and calls
that began with the old grants end with them. When it does not load, it depends:

- **Grants that withdraw nothing are refused whole.** The old ones stay, and the worker that runs with them goes on, as
  when a new version does not prove itself. A lower limit is of this kind: nobody wants a plugin gone for a number.
- **What is withdrawn is withdrawn.** Where an endpoint, an environment value or processes are taken away, the new
  grants hold in any case. The plugin need not be healthy to go on without; when it does not even load, it stops,
  because only the old worker could answer, and that one may what it should not.

In other server processes the live set decides by the same rule (:mod:`cadence.runtime.live_set`).

A name that is not installed yet can be granted something too: its first trial may need it. What is given ahead stays,
also when that install fails, until it is changed, or deleted with the plugin's last version.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct, structs

from cadence.errors import CadenceError, InvalidGrants, PluginUnavailable
from cadence.expectation import Outdated
from cadence.grants import parse_grants
from cadence.intake.filename import require_name
from cadence.model import Granted, Grants, Limits, VersionRecord
from cadence.runtime.launcher import Launch
from cadence.runtime.live_set import LiveSet
from cadence.runtime.worker import Worker
from cadence.storage.index import Index
from cadence.storage.locks import plugin_lock

#: How long a change of grants waits for an install or another change of the same plugin, in seconds.
WAIT_SECONDS = 60.0

Wanted = Callable[[Grants], Mapping[str, object]]


class GrantOutcome(Struct, frozen=True):
    """What came of a change: the grants that hold now, and why the plugin does not run with them, where it does not."""

    granted: Granted
    error: str | None = None


class Granter:
    """Changes grants.

    :param launch_of: how a version is started with the grants its plugin has.
    :param limits: those of a plugin without grants.
    """

    def __init__(
        self, index: Index, live_set: LiveSet, launch_of: Callable[[VersionRecord], Launch], limits: Limits
    ) -> None:
        self._index = index
        self._live_set = live_set
        self._launch_of = launch_of
        self._limits = limits

    def grant(self, name: str, wanted: Wanted, revision: int | None = None) -> GrantOutcome:
        """Put grants in the place of those a plugin has. Returns when this process runs the plugin with them.

        :param wanted: makes of the present grants the new ones, as :func:`~cadence.grants.parse_grants` takes them.
        :param name: of a plugin, or of one that is not installed yet.
        :param revision: of the grants that whoever wants this has seen; None where any may be replaced.
        :raises Outdated: when the grants are of another revision; nothing is changed then.
        :raises InvalidRequest: when no plugin can have this name.
        :raises InvalidGrants: with every fault, or with why the plugin does not start; nothing is changed then.
        :raises PluginUnavailable: when the host could not start it; nothing is changed then.
        :raises Busy: when the plugin is installed, or changed otherwise, at this moment and for long.
        """
        if not self._index.versions_of(name):  # before a lock is made for a name that no plugin can have
            require_name(name)
        with plugin_lock(self._index.instance, name, timeout=WAIT_SECONDS):
            if not self._index.versions_of(name):
                return self._grant(name, wanted, revision)
            with self._live_set.changing(name):
                return self._grant(name, wanted, revision)

    def _grant(self, name: str, wanted: Wanted, revision: int | None) -> GrantOutcome:
        present = self._index.granted(name)
        if revision is not None and revision != present.revision:
            raise Outdated(
                f"The permissions of {name} changed since you looked. Look at them again before you change them."
            )
        grants = parse_grants(wanted(present.grants), present.grants)
        if grants == present.grants:
            return GrantOutcome(present)
        record = self._index.active_of(name)
        if record is None:
            return GrantOutcome(self._index.put_grants(name, grants))
        return self._change(record, present.grants, grants)

    def _change(self, record: VersionRecord, present: Grants, grants: Grants) -> GrantOutcome:
        withdraws = grants.withdraws(present, self._limits)
        launch = structs.replace(
            self._launch_of(record), granted=Granted(grants), trial=not withdraws and self._has_to_be_healthy(record)
        )
        tried = self._try_out(launch)
        if isinstance(tried, Worker):
            return self._switch(record, grants, tried)
        if not withdraws:
            raise _refused(tried)
        granted = self._index.put_grants(record.ref.name, grants)
        self._live_set.abandon(
            structs.replace(record, grants_revision=granted.revision),
            granted.revision,
            tried.in_words,
            retry=isinstance(tried, PluginUnavailable),
        )
        return GrantOutcome(granted, tried.in_words)

    def _switch(self, record: VersionRecord, grants: Grants, worker: Worker) -> GrantOutcome:
        try:
            granted = self._index.put_grants(record.ref.name, grants)
            self._live_set.swap(structs.replace(record, grants_revision=granted.revision), worker, granted.revision)
        finally:
            self._live_set.dismiss(worker)  # unless it answers by now
        return GrantOutcome(granted)

    def _has_to_be_healthy(self, record: VersionRecord) -> bool:
        """One that answers though it is unhealthy may go on so; else it could never be given what it lacks."""
        live = self._live_set.plugin(record.ref.name)
        return live is None or (live.status == "live" and live.report.health.healthy)

    def _try_out(self, launch: Launch) -> Worker | CadenceError:
        """A worker that has loaded the plugin, or why there is none."""
        try:
            return self._live_set.trial(launch)
        except OSError as failure:
            return PluginUnavailable(f"The host could not start it: {failure.strerror}.", ref=launch.ref)
        except CadenceError as failure:
            return failure


def _refused(failure: CadenceError) -> CadenceError:
    if isinstance(failure, PluginUnavailable):
        return failure
    return InvalidGrants(
        *failure.sentences,
        "The grants are as they were, and so is the plugin.",
        message="The plugin does not start with these grants",
        ref=failure.ref,
        faults=failure.faults,
    )
