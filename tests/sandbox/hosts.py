"""Hosts that lack something, for a zygote that says so: what it starts is confined as this host allows."""

from typing import Any, cast

from cadence.runtime.zygote import Zygote
from cadence_sdk._runtime.report import Layer

LANDLOCK = Layer("landlock", "files", True)
SECCOMP = Layer("seccomp", "system calls", True)
CGROUP = Layer("cgroup", "memory", True)
NO_LANDLOCK = Layer("landlock", "files", False, "kernel 5.10 has no Landlock")
NO_CGROUP = Layer("cgroup", "memory", False, "not delegated")
WEAK_SECCOMP = Layer("seccomp", "system calls", True, "an old kernel")


class OtherHost:
    """A warm zygote, except for what it says of its host."""

    def __init__(self, zygote: Zygote, *layers: Layer) -> None:
        self._zygote = zygote
        self.layers = layers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._zygote, name)


def host_with(zygote: Zygote, *layers: Layer) -> Zygote:
    """The zygote of a host that has these layers."""
    return cast(Zygote, OtherHost(zygote, *layers))
