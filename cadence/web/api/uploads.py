"""Uploads: installing, checking, listing and deleting versions."""

from flask import Response, request, url_for

from cadence.model import CheckOptions, InstallOptions, PluginRef
from cadence.outcome import outcome_of
from cadence.web.api import answers
from cadence.web.api.plugins import services
from cadence.web.api.replies import flag, reply
from cadence.web.downloads import lock_file
from cadence.web.received import uploads_of

#: What a multipart request may hold beside the archive itself, in bytes.
_FORM_BYTES = 1024 * 1024


def upload() -> Response:
    """Install the archive in the field ``file``."""
    options = InstallOptions(*_options())
    (received,) = uploads_of(request, most=1)
    if _wants_no_wait():
        return _accepted(services().submit(received, options))
    status, body = outcome_of(services().run(received, options))
    return reply(body, status)


def validate() -> Response:
    """Check the archive in the field ``file``: every stage of an install but those that would keep something."""
    options = CheckOptions(*_options(), trial=flag("trial") or False)
    (received,) = uploads_of(request, most=1)
    if _wants_no_wait():
        return _accepted(services().submit(received, options), "Check started")
    status, body = outcome_of(services().check(received, options))
    return reply(body, status)


def _options() -> tuple[bool, bool | None, bool]:
    """Whether to overwrite, to activate and to resolve anew; before the file, so that a wrong one leaves none."""
    request.max_content_length = services().max_upload_bytes + _FORM_BYTES
    return flag("force_overwrite") or False, flag("activate"), flag("upgrade") or False


def uploaded() -> Response:
    """List every installed version."""
    shown = services()
    return reply(
        answers.UploadedList(
            plugins=tuple(
                answers.UploadedVersion(
                    name=record.ref.name,
                    version=record.ref.version,
                    directory=shown.directory(record.ref),
                    active=record.active,
                    description=record.report.metadata.description,
                    sha256=record.sha256,
                    size_bytes=record.size_bytes,
                    installed_at=record.installed_at,
                    dependencies_installed=record.dependencies_installed,
                    environment=record.environment,
                    isolated=record.isolated,
                )
                for record in shown.versions()
            )
        )
    )


def delete(name: str, version: str) -> Response:
    """Take one version out."""
    return reply(
        answers.Deleted(
            plugin_name=name, plugin_version=version, active_version=services().delete(PluginRef(name, version))
        )
    )


def lock(name: str, version: str) -> Response:
    """The lock of one version, to keep or to install from."""
    ref = PluginRef(name, version)
    return lock_file(ref, services().packages(ref))


def _wants_no_wait() -> bool:
    """Whether the client asks not to be kept waiting (RFC 7240, ``respond-async``)."""
    preferences = ",".join(request.headers.getlist("Prefer")).lower().split(",")
    return any(preference.split(";")[0].strip() == "respond-async" for preference in preferences)


def _accepted(install_id: str, message: str = "Install started") -> Response:
    response = reply(answers.Accepted(install_id=install_id, message=message), 202)
    response.headers["Location"] = url_for("api.install", install_id=install_id)
    response.headers["Preference-Applied"] = "respond-async"
    return response
