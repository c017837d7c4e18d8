"""Versions: which one answers, and on whose word; what was deleted and can be brought back; what there is of each."""

from collections.abc import Mapping
from typing import Any, Literal

from flask import Response, request, url_for
from msgspec import UNSET, Struct, UnsetType, structs

from cadence.errors import InvalidRequest
from cadence.expectation import ANYTHING, Expected
from cadence.intake.faults import printable
from cadence.intake.filename import is_version
from cadence.model import PluginRef, ToolSpec, VersionRecord
from cadence.web.api.answers import UploadedVersion
from cadence.web.api.plugins import services
from cadence.web.api.replies import body_of, number, reply
from cadence.web.downloads import archive_file
from cadence.web.packages import PackageView
from cadence.web.version_views import DeletedView, SwitchedView

#: How many versions are answered by default and at most.
PAGE, LARGEST_PAGE = 100, 500

SEARCH_QUERY: Mapping[str, Mapping[str, Any]] = {
    "q": {
        "type": "string",
        "description": "Words, or beginnings of words, of the name, the description, the capabilities or the tools",
    },
    "limit": {"type": "integer", "default": PAGE, "description": f"How many at most; {LARGEST_PAGE} is the most"},
    "after": {"type": "string", "description": "What the page before has as `next`: those after it are answered"},
}
INSTALL_QUERY: Mapping[str, Mapping[str, Any]] = {
    "install_id": {"type": "string", "description": "The install that is meant; nothing is done where it is another"},
}


class ActivateBody(Struct, frozen=True):
    """Which version is to answer; ``pin`` keeps it, whatever is uploaded or fails.

    Where ``expected`` is not so any more, because somebody else was faster, nothing is done.
    """

    version: str
    pin: bool = False
    expected: Expected = ANYTHING


class PinBody(Struct, frozen=True):
    """Which version is to be kept; without one, that which is active. ``expected`` as for an activation."""

    version: str | None = None
    expected: Expected = ANYTHING


class DecisionBody(Struct, frozen=True):
    """A decision that takes no more than what was seen: ``expected`` as for an activation."""

    expected: Expected = ANYTHING


class SwitchedAnswer(Struct, frozen=True, kw_only=True):
    """What came of a decision. ``plugin_version`` is the one that is active now, null where none is.

    ``previous_version`` is the one that was active before the request.
    """

    success: Literal[True] = True
    message: str
    plugin_name: str
    plugin_version: str | None
    previous_version: str | None
    pinned: bool
    disabled: bool


class UploadedList(Struct, frozen=True, kw_only=True):
    """Installed versions, by name, the highest first.

    Where a search or a page was asked for, ``next`` is what ``after`` has to be for the page that follows; null where
    none does.
    """

    success: Literal[True] = True
    plugins: tuple[UploadedVersion, ...]
    next: str | UnsetType | None = UNSET


class VersionDetails(UploadedVersion, frozen=True):
    """One installed version and what it says of itself.

    ``source`` is ``upload``, or ``directory`` for a folder that was put into the store by hand, of which there is no
    ``archive`` (the address of its ZIP). ``quarantine`` says why it was taken back, null where it was not.
    ``install_id`` changes when the same version is installed anew. ``packages`` are those that it brings, with the room
    that each takes and who needs it, ``packages_bytes`` the room of all of them; null where there are none.
    """

    source: str
    activated_at: str | None
    quarantine: str | None
    install_id: str
    capabilities: tuple[str, ...]
    tools: tuple[ToolSpec, ...]
    warnings: tuple[str, ...]
    archive: str | None
    packages: tuple[PackageView, ...]
    packages_bytes: int | None


class VersionAnswer(Struct, frozen=True, kw_only=True):
    """One installed version."""

    success: Literal[True] = True
    plugin: VersionDetails


class DeletedAnswer(Struct, frozen=True, kw_only=True):
    """A version that was taken out, and the one that answers in its place.

    Until ``restorable_until`` (UTC, ISO 8601) it can be brought back by ``POST`` to ``restore``; both are null where
    it is gone for good.
    """

    success: Literal[True] = True
    plugin_name: str
    plugin_version: str
    active_version: str | None
    message: str = "Plugin deleted successfully"
    restorable_until: str | None = None
    restore: str | None = None


class DeletedList(Struct, frozen=True, kw_only=True):
    """What was deleted and can be brought back, the latest first."""

    success: Literal[True] = True
    deleted: tuple[DeletedView, ...]


class RestoredAnswer(Struct, frozen=True, kw_only=True):
    """A version that was brought back; ``activated`` is whether it is the active one again."""

    success: Literal[True] = True
    message: str
    plugin_name: str
    plugin_version: str
    activated: bool


def activate(name: str) -> Response:
    """Have a version answer."""
    wanted = body_of(ActivateBody, "the version")
    return _switched(services().activate(name, wanted.version, pin=wanted.pin, expected=wanted.expected))


def roll_back(name: str) -> Response:
    """Have the version answer that was active before."""
    return _switched(services().roll_back(name, _expected()))


def pin(name: str) -> Response:
    """Keep a version."""
    wanted = body_of(PinBody, "the version")
    return _switched(services().pin(name, wanted.version, wanted.expected))


def unpin(name: str) -> Response:
    """Keep it no more."""
    return _switched(services().unpin(name, _expected()))


def disable(name: str) -> Response:
    """Have nothing of a plugin run."""
    return _switched(services().disable(name, _expected()))


def enable(name: str) -> Response:
    """Have a plugin answer again."""
    return _switched(services().enable(name, _expected()))


def _expected() -> Expected:
    return body_of(DecisionBody, "what is expected").expected


def _switched(view: SwitchedView) -> Response:
    return reply(SwitchedAnswer(**structs.asdict(view)))


def uploaded() -> Response:
    """List the installed versions: every one, or those that are searched for, page by page."""
    if not request.args.keys() & SEARCH_QUERY.keys():
        return reply(UploadedList(plugins=tuple(map(_uploaded, services().versions()))))
    limit = number("limit", PAGE, LARGEST_PAGE)
    page = services().find_versions(request.args.get("q", ""), limit, _after())
    following = f"{page.last.name}/{page.last.version}" if page.last else None
    return reply(UploadedList(plugins=tuple(map(_uploaded, page.records)), next=following))


def _after() -> PluginRef | None:
    text = request.args.get("after", "")
    if not text:
        return None
    name, _, version = text.partition("/")
    if not name or not is_version(version):
        raise InvalidRequest(f"after must be the `next` of the page before, not {printable(repr(text[:40]))}.")
    return PluginRef(name, version)


def version(name: str, version: str) -> Response:
    """One installed version."""
    ref = PluginRef(name, version)
    record, brought = services().version(ref), services().packages(ref)
    metadata, is_upload = record.report.metadata, record.source == "upload"
    details = VersionDetails(
        **structs.asdict(_uploaded(record)),
        source=record.source,
        activated_at=record.activated_at,
        quarantine=record.quarantine,
        install_id=record.install_id,
        capabilities=metadata.capabilities,
        tools=record.report.tools,
        warnings=record.report.warnings,
        archive=url_for("api.archive", name=name, version=version) if is_upload else None,
        packages=brought.packages,
        packages_bytes=brought.size_bytes,
    )
    return reply(VersionAnswer(plugin=details))


def _uploaded(record: VersionRecord) -> UploadedVersion:
    return UploadedVersion(
        name=record.ref.name,
        version=record.ref.version,
        directory=services().directory(record.ref),
        active=record.active,
        description=record.report.metadata.description,
        sha256=record.sha256,
        size_bytes=record.size_bytes,
        installed_at=record.installed_at,
        dependencies_installed=record.dependencies_installed,
        environment=record.environment,
        isolated=record.isolated,
    )


def archive(name: str, version: str) -> Response:
    """The archive of a version, as it was uploaded."""
    ref = PluginRef(name, version)
    return archive_file(ref, services().archive(ref))


def delete(name: str, version: str) -> Response:
    """Take one version out."""
    ref = PluginRef(name, version)
    install_id = request.args.get("install_id")
    active = services().delete(ref, Expected(install_id=install_id) if install_id else ANYTHING)
    kept = services().deleted_version(ref)
    return reply(
        DeletedAnswer(
            plugin_name=name,
            plugin_version=version,
            active_version=active,
            restorable_until=kept.expires_at if kept else None,
            restore=url_for("api.restore", name=name, version=version) if kept else None,
        )
    )


def deleted() -> Response:
    """What can be brought back."""
    return reply(DeletedList(deleted=tuple(services().deleted())))


def restore(name: str, version: str) -> Response:
    """Bring a deleted version back."""
    restored = services().restore(PluginRef(name, version), request.args.get("install_id") or None)
    what = "is active again" if restored.activated else "is installed again"
    return reply(
        RestoredAnswer(
            message=f"{name} {version} {what}.",
            plugin_name=name,
            plugin_version=version,
            activated=restored.activated,
        )
    )
