"""What the System page shows: how this server confines plugins, what they get, and what it runs on."""

from msgspec import Struct

from cadence.doctor import Host, host
from cadence.errors import PluginUnavailable
from cadence.model import Limits
from cadence.parts import Parts
from cadence.sandbox import Sandbox


class SystemView(Struct, frozen=True):
    """This server. ``sandbox`` is None where no plugin can be started at all, and ``failure`` says why.

    ``limits`` are what a plugin gets that was granted nothing; ``servers`` the process ids of those that are alive;
    ``safe_mode`` whether no plugin runs because an operator wants it so.
    """

    host: Host
    sandbox: Sandbox | None
    failure: str | None
    limits: Limits
    instance: str
    plugin_dir: str
    archive_dir: str
    servers: tuple[int, ...]
    safe_mode: bool = False


def system_view(parts: Parts) -> SystemView:
    """Look at the server; in the first second after its start this waits until the sandbox is known."""
    sandbox, failure = None, None
    try:
        sandbox = parts.serving.sandbox.await_known()
    except PluginUnavailable as error:
        failure = error.in_words
    settings = parts.settings
    return SystemView(
        host=host(),
        sandbox=sandbox,
        failure=failure,
        limits=settings.limits,
        instance=str(settings.instance),
        plugin_dir=str(settings.plugin_dir),
        archive_dir=str(settings.archive_dir),
        servers=tuple(sorted(parts.servers().values())),
        safe_mode=settings.safe_mode,
    )
