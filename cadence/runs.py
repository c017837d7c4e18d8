"""The installs that run: how far each is, for whoever asks in any process, and their end on request.

The process that runs an install tells of it from memory. It writes what is new to the index too, now and then and only
of an install that takes its time, so that the other processes of the instance can follow it. They in turn leave word in
the index when one is to end; its owner looks for that as often.
"""

import logging
import threading
import time

from msgspec import structs

from cadence.errors import NotFound, Refused
from cadence.model import InstallKind, InstallRecord, InstallState
from cadence.progress import Progress
from cadence.storage.index import Index
from cadence.storage.installs import InstallLine
from cadence.storage.owners import is_alive
from cadence.storage.recovery import interrupted_outcome

log = logging.getLogger(__name__)

#: How often what is new of a running install is written, and requests to cancel are looked for, in seconds.
WATCH_SECONDS = 0.3
#: How long a cancel waits for the install to have ended before it answers all the same, in seconds.
CANCEL_SECONDS = 5.0
#: How often it looks, where the install runs in another process, in seconds.
_POLL_SECONDS = 0.05


class NotCancellable(Refused):
    """An install that is over, or about to be: there is nothing left to cancel."""

    status = 409
    message = "Install not cancelled"


class _Run:
    """One install that runs here."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.began = time.monotonic()
        self.guard = threading.Lock()
        self.is_over = False
        self.written_lines = 0
        self.written_stages = progress.stages


class Runs:
    """The installs that run in this process.

    :param owner_id: what this process is called where several share an instance.
    """

    def __init__(self, index: Index, owner_id: str) -> None:
        self._index = index
        self._owner_id = owner_id
        self._runs: dict[str, _Run] = {}
        self._changed = threading.Condition()
        self._watcher: threading.Thread | None = None
        self._closed = threading.Event()

    def begin(self, record: InstallRecord, progress: Progress) -> None:
        """Keep an install that begins. Nothing of it is kept when this raises."""
        self._index.start_install(record, self._owner_id)
        with self._changed:
            self._runs[record.id] = _Run(progress)
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="install-watcher", daemon=True)
                self._watcher.start()
            self._changed.notify_all()

    def end(self, install_id: str, state: InstallState, status: int, outcome: dict[str, object]) -> None:
        """Say how an install ended: its HTTP status and the JSON that is answered."""
        run = self._runs[install_id]
        try:
            with run.guard:
                run.is_over = True
                self._write_lines(install_id, run)
                self._index.finish_install(install_id, state, status, outcome, run.progress.stages)
        finally:
            with self._changed:
                del self._runs[install_id]
                self._changed.notify_all()

    def progress(self, install_id: str) -> Progress:
        """How far an install is that runs here.

        :raises KeyError: when it does not.
        """
        return self._runs[install_id].progress

    def record(self, install_id: str) -> InstallRecord | None:
        """One install as it stands: from memory while it runs here, else from the index."""
        record = self._index.install(install_id)
        return None if record is None else self._as_it_stands(record)

    def records(
        self, limit: int, *, after: str | None = None, name: str | None = None, state: InstallState | None = None
    ) -> list[InstallRecord]:
        """The latest installs, newest first. Takes what :meth:`InstallIndex.installs` takes."""
        found = self._index.installs(limit, after=after, name=name, state=state)
        return [self._as_it_stands(record) for record in found]

    def lines(self, install_id: str, after: int = 0) -> list[InstallLine]:
        """The log of an install, in order; only the lines whose number is greater than ``after``."""
        run = self._runs.get(install_id)
        if run is None:
            return self._index.lines(install_id, after)
        numbered = enumerate(run.progress.lines[after:], after + 1)
        return [InstallLine(number, stage, text) for number, (stage, text) in numbered]

    def cancel(self, install_id: str) -> InstallRecord:
        """End an install, here or in another process, and give it as it then stands.

        It has ended by then, unless that takes more than a few seconds.

        :raises NotFound: when it is not known.
        :raises NotCancellable: when it is over, or past the point from where there is only forward.
        """
        run = self._runs.get(install_id)
        if run is None:
            return cancel(self._index, install_id)
        self._index.note_canceller(install_id)
        if not run.progress.cancelled.set():
            raise NotCancellable("The plugin is being published already. Delete it when the install is over.")
        with self._changed:
            self._changed.wait_for(lambda: install_id not in self._runs, CANCEL_SECONDS)
        return _cancelled(self.record(install_id), install_id)

    def cancel_all(self) -> None:
        """Cancel what runs and what waits."""
        for run in list(self._runs.values()):
            run.progress.cancelled.set()

    def await_none(self, seconds: float) -> None:
        """Wait for those that run to be over, for at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: not self._runs, seconds)

    def close(self) -> None:
        """Watch no more."""
        self._closed.set()
        with self._changed:
            self._changed.notify_all()
        if self._watcher is not None:
            self._watcher.join()

    def _as_it_stands(self, record: InstallRecord) -> InstallRecord:
        if record.state is not InstallState.RUNNING:
            return record
        run = self._runs.get(record.id)
        if run is None:
            return _of_another(self._index, record)
        cancelling = run.progress.cancelled.is_set()
        return structs.replace(record, stages=run.progress.stages, cancelling=cancelling)

    def _watch(self) -> None:
        while not self._closed.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._runs or self._closed.is_set())
            self._closed.wait(WATCH_SECONDS)
            try:
                self._look()
            except Exception:
                # The thread has to survive a full disk or a locked index; the next round tries again.
                log.exception("what runs could not be written to the index")

    def _look(self) -> None:
        due = time.monotonic() - WATCH_SECONDS
        slow = [(install_id, run) for install_id, run in list(self._runs.items()) if run.began <= due]
        if not slow:
            return
        for install_id in self._index.cancel_requests(self._owner_id):
            if run := self._runs.get(install_id):
                run.progress.cancelled.set()
        for install_id, run in slow:
            with run.guard:
                if not run.is_over:
                    self._write_news(install_id, run)

    def _write_news(self, install_id: str, run: _Run) -> None:
        self._write_lines(install_id, run)
        stages = run.progress.stages
        if stages != run.written_stages:
            self._index.update_install(install_id, stages=stages)
            run.written_stages = stages

    def _write_lines(self, install_id: str, run: _Run) -> None:
        if lines := run.progress.lines[run.written_lines :]:
            self._index.append_lines(install_id, lines)
            run.written_lines += len(lines)


def cancel(index: Index, install_id: str) -> InstallRecord:
    """As :meth:`Runs.cancel`, from a process that does not run the install."""
    record = index.install(install_id)
    if record is not None:
        record = _of_another(index, record)
        if record.state is InstallState.RUNNING and index.request_cancel(install_id):
            deadline = time.monotonic() + CANCEL_SECONDS
            while record.state is InstallState.RUNNING and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
                record = _of_another(index, index.install(install_id) or record)
            return _cancelled(record, install_id)
        record = index.install(install_id)
    if record is None:
        raise NotFound(f"There is no install {install_id!r}.")
    raise NotCancellable(_over_words(_of_another(index, record)))


def latest(index: Index, limit: int) -> list[InstallRecord]:
    """The latest installs, newest first, as the index knows them."""
    return [_of_another(index, record) for record in index.installs(limit)]


def _cancelled(record: InstallRecord | None, install_id: str) -> InstallRecord:
    """What came of a cancel that was taken: it ends, or has; one that came too late changed nothing."""
    if record is None:
        raise NotFound(f"There is no install {install_id!r}.")
    if record.state in (InstallState.RUNNING, InstallState.CANCELLED):
        return record
    raise NotCancellable(_over_words(record))


def _over_words(record: InstallRecord) -> str:
    what = "check" if record.kind is InstallKind.CHECK else "install"
    return f"The {what} of {record.filename} is over: it {_STATE_WORDS[record.state]}."


_STATE_WORDS = {
    InstallState.RUNNING: "runs",
    InstallState.SUCCEEDED: "succeeded",
    InstallState.FAILED: "failed",
    InstallState.CANCELLED: "was cancelled",
    InstallState.INTERRUPTED: "ended with its server",
}


def _of_another(index: Index, record: InstallRecord) -> InstallRecord:
    """Where the process that runs it has died, the next start will say so in the index; whoever asks is told now."""
    if record.state is not InstallState.RUNNING:
        return record
    owner = next((run.owner for run in index.running_installs() if run.id == record.id), None)
    if owner is None:
        return index.install(record.id) or record
    if is_alive(index.instance, owner):
        return record
    ref = next((one.ref for one in index.versions() if one.install_id == record.id), None)
    return structs.replace(record, state=InstallState.INTERRUPTED, status=500, outcome=interrupted_outcome(ref))
