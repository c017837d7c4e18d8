"""The sandbox of this host as a whole: which layers it has, what is missing, what to do, and whether plugins may run.

The layers are found by the zygote, and by the server where it adds one of its own. That takes the zygote's warm-up,
about a second after a start; until then nothing is known, and nothing is claimed.
"""

import logging
import threading
from collections.abc import Callable

from msgspec import Struct, structs

from cadence.config import SandboxMode
from cadence.errors import PluginUnavailable, SandboxIncomplete
from cadence.model import PluginRef
from cadence_sdk._runtime.report import Layer

log = logging.getLogger(__name__)

VARIABLE = "CADENCE_SANDBOX"
DOCUMENT = "docs/sandbox.md"

#: What to do about a missing layer, by a word of its name; the first that fits holds.
_REMEDIES = (
    (
        "landlock",
        "Run a kernel of 6.12 or newer (5.13 has most of it) with Landlock switched on: CONFIG_SECURITY_LANDLOCK,"
        " and landlock among the names in /sys/kernel/security/lsm (kernel parameter lsm=).",
    ),
    ("seccomp", "Run a kernel with CONFIG_SECCOMP_FILTER, on 64-bit x86 or ARM."),
    (
        "connection",
        "Give a server that runs as root CAP_SYS_PTRACE, or run it as an ordinary user; only network grants need it.",
    ),
    (
        "cgroup",
        "Give the server a cgroup that it may write to, with the controllers memory, cpu and pids: under systemd a"
        " service with Delegate=yes and DelegateSubgroup=server, in a container a writable /sys/fs/cgroup.",
    ),
    (
        "namespace",
        "Run the server as root with CAP_SYS_ADMIN, or let ordinary users make namespaces: user.max_user_namespaces"
        " above 0 and, where the host has them, kernel.unprivileged_userns_clone=1 and"
        " kernel.apparmor_restrict_unprivileged_userns=0; in a container also a seccomp profile that allows unshare.",
    ),
    (
        "user",
        "Run the server as root with CAP_SETUID and CAP_SETGID, so that each plugin gets a user id of its own, or let"
        " ordinary users make user namespaces.",
    ),
)


def remedy(layer: Layer) -> str:
    """What an administrator can do about a layer that is missing, in sentences."""
    name = layer.name.lower()
    return next((words for word, words in _REMEDIES if word in name), f"{DOCUMENT} says what each layer needs.")


class Sandbox(Struct, frozen=True):
    """What confines plugins on this host.

    ``layers`` are all that there could be, active or not. With ``mode`` ``off`` none is, whatever the host has.
    """

    mode: SandboxMode
    layers: tuple[Layer, ...] = ()

    @classmethod
    def of(cls, mode: SandboxMode, layers: tuple[Layer, ...]) -> "Sandbox":
        """The sandbox that a mode makes of what the host has."""
        if mode is SandboxMode.OFF:
            layers = tuple(
                structs.replace(layer, active=False, reason=f"switched off by {VARIABLE}=off") for layer in layers
            )
        return cls(mode, layers)

    @property
    def is_off(self) -> bool:
        """Whether plugins are not confined at all, because somebody wanted it so."""
        return self.mode is SandboxMode.OFF

    @property
    def complete(self) -> bool:
        """Whether every layer is active. A host that names no layer at all has none."""
        return not self.is_off and bool(self.layers) and not self.missing

    @property
    def missing(self) -> tuple[Layer, ...]:
        """The layers that are not active."""
        return tuple(layer for layer in self.layers if not layer.active)

    @property
    def weakened(self) -> tuple[Layer, ...]:
        """The layers that are active and could be stronger on another host."""
        return tuple(layer for layer in self.layers if layer.active and layer.reason)

    @property
    def refuses(self) -> bool:
        """Whether no plugin may run here."""
        return self.mode is SandboxMode.REQUIRE and not self.complete

    @property
    def line(self) -> str:
        """How it stands, in one line for start-up."""
        return f"Sandbox: {self._state}"

    @property
    def warning(self) -> str | None:
        """What is wrong and what it means for plugins, in sentences; None where nothing is."""
        if self.complete:
            return None
        if self.is_off:
            return "The sandbox is off. Plugins can do whatever this server can."
        consequence = "No plugin runs" if self.refuses else "Plugins run with less protection than they should"
        return f"The sandbox is incomplete: {self._lack(named=False)}. {consequence}."

    def admit(self, ref: PluginRef | None = None) -> None:
        """Check that plugins may run.

        :param ref: the plugin that is about to.
        :raises SandboxIncomplete: in words that name what is missing and what to do, where ``require`` is not met.
        """
        if not self.refuses:
            return
        lacks = [f"{_in_words(layer)}. {remedy(layer)}" for layer in self.missing]
        raise SandboxIncomplete(
            f"No plugin may run: {VARIABLE} is require, and {self._lack(named=False)}.",
            *(lacks or ["This host has no layer of the sandbox at all."]),
            f"To run plugins with what there is, start the server with {VARIABLE}=prefer.",
            ref=ref,
        )

    def warn(self) -> None:
        """Say in the server's log what is wrong and what to do about each missing layer."""
        if self.warning is not None:
            log.warning("%s", self.warning)
        if not self.is_off:
            for layer in self.missing:
                log.warning("Sandbox layer missing: %s. %s", _in_words(layer), remedy(layer))

    @property
    def _state(self) -> str:
        if self.is_off:
            return "OFF, plugins can do whatever this server can"
        if not self.complete:
            words = f"{'REFUSES PLUGINS' if self.refuses else 'WARNING'}, {self._lack(named=True)}"
            return f"{words} ({VARIABLE}=require)" if self.refuses else words
        words = f"all {len(self.layers)} layers active" if len(self.layers) > 1 else "its only layer is active"
        return f"{words}; weaker than it could be: {_listed(self.weakened)}" if self.weakened else words

    def _lack(self, *, named: bool) -> str:
        if not self.layers:
            return "none of its layers is there"
        one = len(self.missing) == 1
        words = f"{len(self.missing)} of {len(self.layers)} layers {'is' if one else 'are'} missing"
        names = _listed(self.missing) if named else ", ".join(layer.name for layer in self.missing)
        return f"{words}: {names}"


class SandboxProbe:
    """Finds out once how this host confines plugins.

    :param find: the layers it has; blocks until they are known, and may raise ``PluginUnavailable``.
    """

    def __init__(self, mode: SandboxMode, find: Callable[[], tuple[Layer, ...]]) -> None:
        self._mode = mode
        self._find = find
        self._finding = threading.Lock()
        self._found: Sandbox | None = None

    @property
    def known(self) -> Sandbox | None:
        """What is known by now, without waiting: None until the layers are. That it is off is known at once."""
        return self._found or at_first(self._mode)

    def await_known(self) -> Sandbox:
        """The sandbox, waited for.

        :raises PluginUnavailable: when no worker can be started here at all; the next to ask tries again.
        """
        with self._finding:
            if self._found is None:
                self._found = Sandbox.of(self._mode, self._find())
        return self._found

    def report(self, announce: Callable[[str], None]) -> None:
        """Find out, and say how it stands: in a line for start-up, and in the log where it is not as it should be."""
        try:
            sandbox = self.await_known()
        except PluginUnavailable as error:
            log.error("No plugin can be started. %s", error.in_words)
            announce(f"Sandbox: NOT KNOWN, because no plugin can be started. {error.in_words}")
        else:
            announce(sandbox.line)
            sandbox.warn()

    def admit(self, ref: PluginRef) -> None:
        """Check that a plugin may run, waiting only where the answer can be no.

        :raises SandboxIncomplete: as :meth:`Sandbox.admit`.
        """
        if self._mode is SandboxMode.REQUIRE:
            self.await_known().admit(ref)


def at_first(mode: SandboxMode) -> Sandbox | None:
    """What is known of the sandbox before the host was asked: only that it is off, where it is."""
    return Sandbox(mode) if mode is SandboxMode.OFF else None


def _in_words(layer: Layer) -> str:
    return f"{layer.name} ({layer.reason})" if layer.reason else layer.name


def _listed(layers: tuple[Layer, ...]) -> str:
    return "; ".join(_in_words(layer) for layer in layers)
