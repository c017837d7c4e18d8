"""Plugin folders that somebody put into the store by hand: they are examined as an upload is, and installed."""

import secrets
import time

from cadence.errors import CadenceError
from cadence.examination import Examiner
from cadence.intake.filename import parse_filename
from cadence.model import PluginRef
from cadence.progress import Progress
from cadence.runtime.live_set import LiveSet, Reloaded
from cadence.storage.index import Index
from cadence.storage.locks import plugin_lock
from cadence.storage.publication import adopt_version
from cadence.storage.store import Store
from cadence.storage.tree import size_of


class Adopter:
    """Takes folders of the store that no version knows into the index."""

    def __init__(self, index: Index, store: Store, live_set: LiveSet, examiner: Examiner) -> None:
        self._index = index
        self._store = store
        self._live_set = live_set
        self._examiner = examiner

    def adopt_folders(self) -> list[Reloaded]:
        """Install every folder that is named like a plugin and not known yet.

        :returns: each of them, with why it could not be installed where it could not.
        """
        known = {record.ref.slug for record in self._index.versions()}
        known |= {change.ref.slug for change in self._index.pending_changes()}
        done = []
        for slug in sorted(self._store.folders() - known):
            try:
                ref = parse_filename(f"{slug}.zip")
            except CadenceError:
                continue  # not named like a plugin: somebody else's folder
            done.append(self._report(ref))
        return done

    def _report(self, ref: PluginRef) -> Reloaded:
        started = time.monotonic()
        error = None
        try:
            self._adopt(ref)
        except CadenceError as failure:
            error = failure.in_words
        ms = round((time.monotonic() - started) * 1000, 3)
        return Reloaded(ref.name, ref.version, ms, loaded=error is None, healthy=error is None, error=error)

    def _adopt(self, ref: PluginRef) -> None:
        with self._examiner.scratch() as (tree, stack):
            stack.enter_context(plugin_lock(self._index.instance, ref.name))
            if self._index.version(ref) is not None:
                return  # another process was first
            self._store.snapshot(ref, tree)
            examined = self._examiner.examine(ref, tree, Progress(0.0), stack, "reload")
            record = examined.record(secrets.token_hex(8), "directory", self._store.digest(ref), size_of(tree))
            with self._live_set.changing(ref.name):
                publication = adopt_version(self._index, self._store, record)
                active = self._index.active_of(ref.name)
                if publication.activated and active is not None:
                    self._live_set.swap(active, examined.worker, publication.generation)
