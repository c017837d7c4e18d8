"""The index of what is decided about plugins: which version is active, whether that is fixed, whether it answers."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from cadence.errors import NotFound, ValidationFailed
from cadence.expectation import ANYTHING, Expected
from cadence.history import Activation, ActivationCause, EventKind, PluginState, Reason, TakenBack
from cadence.model import Fault, PluginRef, VersionRecord
from cadence.origin import BY_ITSELF, Origin
from cadence.storage.database import Row, utc_now
from cadence.storage.history import MAX_ACTIVATIONS, HistoryIndex
from cadence.storage.succession import predecessor, stack_of
from cadence.storage.versions import VersionIndex

#: The event that tells of a change, where an operator made it.
_EVENTS = {
    ActivationCause.ACTIVATE: EventKind.ACTIVATED,
    ActivationCause.ROLLBACK: EventKind.ROLLED_BACK,
}


class Decided(Struct, frozen=True):
    """What a decision came to: the version that is active, the one that was before, and since which generation."""

    version: str | None
    previous_version: str | None
    generation: int


class ActivationIndex(VersionIndex, HistoryIndex):
    """Every SQL statement that changes which version is active, or whether a plugin answers.

    Each decision is one transaction, which writes its line of the history too. A decision of an operator is the last
    word, also over an install that is committed and not published yet: that one is installed, and does not take over.

    Each takes what the operator had seen, ``expected``, and raises :class:`~cadence.expectation.Outdated` where that is
    not so any more; nothing is changed then.
    """

    def plugin_state(self, name: str) -> PluginState | None:
        """What was decided about a plugin, ``None`` where no version of it is installed."""
        row = self.database.row("SELECT * FROM plugins WHERE name = ?", name)
        return _plugin_state(row) if row else None

    def plugin_states(self) -> dict[str, PluginState]:
        """What was decided about every installed plugin, by name."""
        rows = self.database.rows("SELECT * FROM plugins ORDER BY name")
        return {row["name"]: _plugin_state(row) for row in rows}

    def rollback_target(self, name: str) -> str | None:
        """The version to which :meth:`roll_back` would go now; ``None`` where there is none."""
        return predecessor(self._stack(name), self._active_version(name), self._good(name))

    def require_expected(self, ref: PluginRef, expected: Expected) -> None:
        """Compare what somebody has seen with how a plugin, and one version of it, stand.

        :raises Outdated: in words, when that is not so any more.
        """
        if expected is ANYTHING:
            return
        expected.require_state(self.plugin_state(ref.name) or PluginState(ref.name, None))
        record = self.version(ref)
        expected.require_install(ref, record.install_id if record else None)

    def activate(
        self,
        name: str,
        version: str,
        cause: ActivationCause = ActivationCause.ACTIVATE,
        *,
        pin: bool = False,
        expected: Expected = ANYTHING,
    ) -> Decided:
        """Make an installed version the active one, good from now on, and raise the generation.

        A pin holds the version that it was made for: it is lifted with a change to another, unless ``pin`` moves it.

        :param cause: ``ACTIVATE`` or ``ROLLBACK``.
        :raises NotFound: when it is not installed.
        :raises ValidationFailed: when another plugin has its metadata name.
        """
        ref = PluginRef(name, version)
        with self.database.atomic() as db:
            record = self._require_installed(ref)
            self.require_expected(ref, expected)
            self._require_free_metadata_name(ref, record.report.metadata.name)
            db.execute("UPDATE versions SET quarantine = NULL WHERE name = ? AND version = ?", (name, version))
            previous = self._make_active(name, record, cause)
            self._overrule_pending(ref)
            words = _change_words(previous, version, record.quarantine)
            change = self._last_change(name) if previous != version else None
            self._write_event(name, version, _EVENTS[cause], words, change=change)
            if pin:
                self._set_flag(name, "pinned", True, EventKind.PINNED)
            return Decided(version, previous, self.raise_generation())

    def roll_back(self, name: str, version: str | None = None, expected: Expected = ANYTHING) -> Decided | None:
        """Make the version active that was so before the present one, and raise the generation.

        :param version: what :meth:`rollback_target` said, where it was tried out meanwhile.
        :returns: ``None``, and nothing done, where there is none.
        :raises NotFound: when it is not installed.
        :raises ValidationFailed: when another plugin has its metadata name.
        """
        with self.database.atomic():
            self._require_plugin(name)
            target = version or self.rollback_target(name)
            expected.require_target(name, target, "a roll back")
            return None if target is None else self.activate(name, target, ActivationCause.ROLLBACK, expected=expected)

    def pin(self, name: str, expected: Expected = ANYTHING) -> None:
        """Keep the active version, whatever is uploaded or fails.

        :raises NotFound: when there is no active version.
        """
        with self.database.atomic():
            self._require_plugin(name)
            version = self._active_version(name)
            self._require_active_expected(name, expected)
            if version is None:
                raise NotFound(f"No version of {name} is active. Say which one to pin.")
            self._overrule_pending(PluginRef(name, version))
            self._set_flag(name, "pinned", True, EventKind.PINNED)

    def unpin(self, name: str, expected: Expected = ANYTHING) -> None:
        """Let a higher version that is uploaded take over again.

        :raises NotFound: when no version of it is installed.
        """
        with self.database.atomic():
            self._require_plugin(name)
            self._require_active_expected(name, expected)
            self._set_flag(name, "pinned", False, EventKind.UNPINNED)

    def disable(self, name: str, expected: Expected = ANYTHING) -> Decided:
        """Have nothing of a plugin be live, whatever is installed, and raise the generation. Raises as :meth:`unpin`.

        It keeps its active version, and thus its metadata name: no other plugin can take that meanwhile.
        """
        return self._switch_off(name, True, EventKind.DISABLED, expected)

    def enable(self, name: str, expected: Expected = ANYTHING) -> Decided:
        """Undo :meth:`disable`, and raise the generation. Raises as :meth:`unpin`."""
        return self._switch_off(name, False, EventKind.ENABLED, expected)

    def take_back(self, ref: PluginRef, install_id: str, reason: Reason) -> TakenBack | None:
        """Quarantine an active version that is bad, have another take its place, and raise the generation.

        That is the one active before it, else the highest good one; where there is none, none is active.

        :param install_id: of the install that was found to be bad.
        :returns: ``None``, and nothing done, where that is not active any more, or the plugin is pinned or disabled.
        """
        with self.database.atomic() as db:
            state, record = self.plugin_state(ref.name), self.version(ref)
            if state is None or state.pinned or state.disabled:
                return None
            if record is None or not record.active or record.install_id != install_id:
                return None
            db.execute(
                "UPDATE versions SET quarantine = ? WHERE name = ? AND version = ?",
                (reason.words, ref.name, ref.version),
            )
            successor = self._successor(ref)
            # Whoever asked for the check that failed did not ask for this.
            self._make_active(ref.name, successor, ActivationCause.AUTOMATIC_ROLLBACK, reason.words, origin=BY_ITSELF)
            change = self._last_change(ref.name)
            self._write_event(ref.name, ref.version, EventKind.QUARANTINED, reason.words, origin=BY_ITSELF)
            version = successor.ref.version if successor else None
            if version is not None:
                words = f"In the place of {ref.version}, which was taken back."
                self._write_event(ref.name, version, EventKind.ROLLED_BACK, words, change=change, origin=BY_ITSELF)
            self.raise_generation()
        return TakenBack(ref, reason, version)

    def _switch_off(self, name: str, disabled: bool, kind: EventKind, expected: Expected) -> Decided:
        with self.database.atomic():
            self._require_plugin(name)
            self._require_active_expected(name, expected)
            if self._set_flag(name, "disabled", disabled, kind):
                self.raise_generation()
            version = self._active_version(name)
            return Decided(version, version, self.generation())

    def _require_active_expected(self, name: str, expected: Expected) -> None:
        """Of a decision that is about the active version, whichever that is."""
        self.require_expected(PluginRef(name, self._active_version(name) or ""), expected)

    def _set_flag(self, name: str, column: str, value: bool, kind: EventKind) -> bool:
        """Returns whether that changed anything. Within a transaction."""
        sql = f"UPDATE plugins SET {column} = ?1 WHERE name = ?2 AND {column} != ?1"  # noqa: S608 - a literal
        changed = self.database.execute(sql, (value, name)).rowcount > 0
        if changed:
            version = self._active_version(name) if kind is EventKind.PINNED else None
            self._write_event(name, version, kind, "")
        return changed

    def _make_active(
        self,
        name: str,
        record: VersionRecord | None,
        cause: ActivationCause,
        words: str = "",
        *,
        install_id: str | None = None,
        origin: Origin | None = None,
    ) -> str | None:
        """Make a version the active one, or none, and give the one that was. Within a transaction.

        Where it is that one already, it is only new again.

        :param install_id: of the install by which it comes about.
        :param origin: on whose word, where not on that of whoever acts now.
        """
        previous, at = self._active_version(name), utc_now()
        version = record.ref.version if record else None
        metadata_name = record.report.metadata.name if record else None
        self.database.execute(
            "UPDATE plugins SET active_version = ?1, metadata_name = ?2, activated_at = ?3, "
            "pinned = pinned AND active_version IS ?1 WHERE name = ?4",
            (version, metadata_name, at if record else None, name),
        )
        if previous != version:
            self._write_activation(name, Activation(version, previous, cause, at, words, install_id), origin)
        return previous

    def _overrule_pending(self, ref: PluginRef) -> None:
        """Have no install take over from an operator's choice that was committed before it, but one of that version."""
        row = self.database.row(
            "SELECT metadata_name FROM pending WHERE name = ? AND version = ? AND change = 'publish'",
            *(ref.name, ref.version),
        )
        if row is not None:
            self._require_free_metadata_name(ref, row["metadata_name"])
        self.database.execute(
            "UPDATE pending SET activate = version IS ? WHERE name = ? AND change = 'publish'", (ref.version, ref.name)
        )

    def _stack(self, name: str) -> list[str | None]:
        return stack_of(reversed(self.activations(name, MAX_ACTIVATIONS)))

    def _successor(self, ref: PluginRef) -> VersionRecord | None:
        """What takes the place of a bad version: the nearest before it that can, else the highest."""
        possible = {one.ref.version: one for one in self._able(self._others(ref))}
        before = predecessor(self._stack(ref.name), ref.version, possible.keys())
        return possible[before] if before is not None else next(iter(possible.values()), None)

    def _fallback(self, ref: PluginRef) -> VersionRecord | None:
        """What takes the place of a version that goes: the highest that can."""
        return next(self._able(self._others(ref)), None)

    def _others(self, ref: PluginRef) -> list[VersionRecord]:
        return [one for one in self.versions_of(ref.name) if one.ref != ref]

    def _able(self, records: Iterable[VersionRecord]) -> Iterator[VersionRecord]:
        """Those that may become active by themselves: good ones whose metadata name no other plugin has."""
        for record in records:
            name = record.report.metadata.name
            if record.quarantine is None and self._metadata_name_holder(record.ref.name, name) is None:
                yield record

    def _require_plugin(self, name: str) -> None:
        if self.plugin_state(name) is None:
            raise NotFound(f"No plugin {name!r} is installed.")

    def _require_installed(self, ref: PluginRef) -> VersionRecord:
        record = self.version(ref)
        if record is None:
            raise NotFound(f"{ref.name} {ref.version} is not installed.", ref=ref)
        return record

    def _metadata_name_holder(self, name: str, metadata_name: str) -> str | None:
        """The other plugin that is, or is about to be, active under a metadata name; a disabled one holds it too."""
        row = self.database.row(
            "SELECT name FROM plugins WHERE metadata_name = ?1 AND name != ?2 UNION ALL "
            "SELECT name FROM pending WHERE activate AND metadata_name = ?1 AND name != ?2",
            metadata_name,
            name,
        )
        return row["name"] if row else None

    def _require_free_metadata_name(self, ref: PluginRef, metadata_name: str) -> None:
        if (other := self._metadata_name_holder(ref.name, metadata_name)) is None:
            return
        state = self.plugin_state(other)
        holds = "stands already, though it is disabled" if state and state.disabled else "is active already"
        sentence = (
            f"Its metadata has the name {metadata_name!r}, under which the plugin {other} {holds}. "
            f"Choose another name in PluginMetadata, or delete {other} first."
        )
        raise ValidationFailed(ref=ref, faults=[Fault("publish", "metadata_name_taken", sentence, other)])


def _plugin_state(row: Row) -> PluginState:
    return PluginState(row["name"], row["active_version"], bool(row["pinned"]), bool(row["disabled"]))


def _change_words(previous: str | None, version: str, quarantine: str | None) -> str:
    change = f"In the place of {previous}." if previous not in (None, version) else ""
    lifted = f"It had been taken back: {quarantine}" if quarantine else ""
    return " ".join(filter(None, (change, lifted)))
