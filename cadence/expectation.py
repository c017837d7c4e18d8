"""What whoever decides has seen of a plugin: when two decide at once, the second hears that it changed.

It travels with the decision into the transaction that makes it, and is compared there: between a look at the index and
that transaction anybody may have been faster.
"""

from msgspec import UNSET, Struct, UnsetType

from cadence.errors import Refused
from cadence.history import PluginState
from cadence.model import PluginRef


class Outdated(Refused):
    """What was seen is not so any more; nothing was done."""

    status = 409
    message = "Nothing was changed"


class Expected(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was seen; what is left out may be anything.

    ``active_version`` is the version that was active, null for none. ``install_id`` is the install of the version that
    the decision is about, which changes when the same version is installed anew. ``target`` is the version that a roll
    back was said to lead to, or the one that was said to take the place of a deleted one, null for none.
    """

    active_version: str | UnsetType | None = UNSET
    pinned: bool | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    install_id: str | UnsetType = UNSET
    target: str | UnsetType | None = UNSET

    def require_state(self, state: PluginState) -> None:
        """Compare with how a plugin stands.

        :raises Outdated: with a sentence for each difference.
        """
        differences = [
            words
            for seen, present, words in (
                (self.active_version, state.active_version, f"{state.active_version or 'no version of it'} is active"),
                (self.pinned, state.pinned, "it is pinned" if state.pinned else "it is not pinned"),
                (self.disabled, state.disabled, "it is disabled" if state.disabled else "it is enabled"),
            )
            if seen is not UNSET and seen != present
        ]
        if differences:
            raise outdated(state.name, ", and ".join(differences))

    def require_install(self, ref: PluginRef, install_id: str | None) -> None:
        """Compare with the install of the version that it is about.

        :param install_id: None where it is not installed, which is another's to say.
        :raises Outdated: when it is another.
        """
        if self.install_id is not UNSET and install_id is not None and self.install_id != install_id:
            raise outdated(ref.name, f"{ref.version} is another install of that version")

    def require_target(self, name: str, target: str | None, deed: str) -> None:
        """Compare with the version to which a decision leads.

        :param deed: what leads there: ``a roll back``.
        :raises Outdated: when it is another.
        """
        if self.target is not UNSET and self.target != target:
            leads = f"would lead to {target}" if target else "would leave no version to answer"
            raise outdated(name, f"{deed} {leads}")


#: Nothing was looked at.
ANYTHING = Expected()


def outdated(name: str, present: str) -> Outdated:
    """The refusal, with how it stands now in a few words."""
    return Outdated(f"{name} changed since you looked: {present} now. Look at it again before you go on.")
