"""The grants of a plugin as they are shown: one value for page, API and command line."""

from collections.abc import Callable, Iterator, Sequence

from msgspec import convert, structs

from cadence.errors import NotFound
from cadence.grants import AMOUNTS, plain_grants, unmet_requests
from cadence.model import Granted, Grants, Limits, Metadata, VersionRecord
from cadence.runtime.slot import LivePlugin
from cadence.storage.index import Index
from cadence.web.present import GrantsShown, GrantsView, Requested

#: Marks a name with grants that is not installed, where several are listed.
_AHEAD = "not installed"


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
        unmet=unmet_requests(name, metadata.requests, granted.grants, limits),
        revision=granted.revision,
    )


def view_ahead(name: str, granted: Granted, defaults: Limits) -> GrantsView:
    """What was granted to a name that is not installed."""
    given = granted.grants != Grants()
    return GrantsView(
        plugin_name=name,
        grants=convert(plain_grants(granted.grants), GrantsShown),
        limits=granted.grants.limits(defaults),
        requested=Requested(),
        in_force=False,
        message=f"{name} is not installed; {'these grants apply when it is' if given else 'nothing is granted to it'}.",
        installed=False,
        revision=granted.revision,
    )


def require_known(index: Index, name: str) -> None:
    """Refuse a name that is neither installed nor was granted anything.

    :raises NotFound: for such a one.
    """
    if not index.versions_of(name) and index.granted(name) == Granted():
        raise NotFound(f"No plugin {name!r} is installed. Nothing is granted to that name either.")


def shown_version(records: Sequence[VersionRecord]) -> VersionRecord:
    """Of a plugin's versions, highest first, the active one or, without one, the highest."""
    return next((record for record in records if record.active), records[0])


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
    """
    granted, records = index.granted(name), index.versions_of(name)
    if not records:
        return view_ahead(name, granted, defaults)
    shown = shown_version(records)
    message = f"The grants hold, but {name} does not run with them: {'; '.join(troubles)}" if troubles else ""
    in_force = shown.active and not troubles
    return grants_view(name, shown.report.metadata, granted, defaults, in_force=in_force, message=message)


def all_stored_grants(index: Index, defaults: Limits) -> list[GrantsView]:
    """The grants of every name that has some, installed or not, by name."""
    return [stored_grants(index, name, defaults) for name in index.all_granted()]


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


def tell_all(views: Sequence[GrantsView], say: Callable[[str], None]) -> None:
    """The grants of several names, a line for each."""
    if not views:
        say("Nothing is granted to any plugin. Grant with: flask plugins grant NAME --network HOST:PORT")
    width = max((len(view.plugin_name) for view in views), default=0)
    for view in views:
        mark = " " * len(_AHEAD) if view.installed else _AHEAD
        say(f"{view.plugin_name:<{width}}  {mark}  {'; '.join(_granted(view.grants))}")


def _granted(grants: GrantsShown) -> Iterator[str]:
    if grants.network:
        yield f"network {', '.join(grants.network)}"
    for name in AMOUNTS:
        if (value := getattr(grants, name)) is not None:
            yield f"{name} {value:g}"
    if grants.env:
        yield f"env {', '.join(grants.env)}"
