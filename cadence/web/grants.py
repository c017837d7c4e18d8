"""The grants of a plugin as they are shown: one value for page, API and command line."""

from collections.abc import Callable

from msgspec import convert, structs

from cadence.errors import NotFound
from cadence.grants import plain_grants, unmet_requests
from cadence.model import Granted, Limits, Metadata
from cadence.runtime.slot import LivePlugin
from cadence.storage.index import Index
from cadence.web.present import GrantsShown, GrantsView, Requested


def grants_view(
    name: str, metadata: Metadata, granted: Granted, defaults: Limits, *, in_force: bool, message: str
) -> GrantsView:
    """What a plugin was granted, what it has by that, and what it asks for.

    :param metadata: of the version that answers, or would.
    :param defaults: the limits of a plugin without grants.
    """
    limits = granted.grants.limits(defaults)
    return GrantsView(
        plugin_name=name,
        grants=convert(plain_grants(granted.grants), GrantsShown),
        limits=limits,
        requested=requested(metadata),
        in_force=in_force,
        message=message,
        unmet=unmet_requests(name, metadata, granted.grants, limits),
    )


def requested(metadata: Metadata) -> Requested:
    """What a plugin asks for, as it is shown."""
    return Requested(metadata.network, metadata.memory_mb)


def standing(name: str, granted: Granted, live: LivePlugin | None) -> tuple[bool, str]:
    """Whether the worker that answers in this process runs with the grants, and the same in words."""
    if live is None:
        return False, f"{name} is not active. The grants hold once it is."
    if live.status == "failed":
        return False, f"{name} is not running: {live.error} The grants hold all the same."
    if live.status == "starting":
        return False, f"{name} is starting with these grants."
    if live.record.grants_revision == granted.revision:
        return True, f"{name} runs with these grants."
    if live.error:
        return False, f"{name} still runs with the grants it had before: {live.error}"
    return False, f"{name} still runs with the grants it had before, and is about to change."


def stored_grants(index: Index, name: str, defaults: Limits, troubles: tuple[str, ...] = ()) -> GrantsView:
    """The grants as the index has them, for a process that runs no plugin.

    :param troubles: why servers do not run with them, where they do not.
    :raises NotFound: when the plugin is not installed.
    """
    records = index.versions_of(name)
    if not records:
        raise NotFound(f"No plugin {name!r} is installed.")
    shown = next((record for record in records if record.active), records[0])
    message = f"The grants hold, but {name} does not run with them: {'; '.join(troubles)}" if troubles else ""
    in_force = shown.active and not troubles
    granted = index.granted(name)
    return grants_view(name, shown.report.metadata, granted, defaults, in_force=in_force, message=message)


def tell(view: GrantsView, say: Callable[[str], None]) -> None:
    """Grants as lines of text."""
    say(view.plugin_name)
    say(f"  {'network':<12}  {', '.join(view.grants.network) or 'closed'}")
    for name, value in structs.asdict(view.limits).items():
        origin = "default" if getattr(view.grants, name) is None else "granted"
        say(f"  {name:<12}  {value:g}  ({origin})")
    say(f"  {'env':<12}  {', '.join(view.grants.env) or 'empty'}")
    for sentence in (*view.unmet, view.message):
        if sentence:
            say(sentence)
