"""Uploads: installing, listing and deleting versions, and following installs."""

from flask import Response, request, url_for

from cadence.errors import NotFound
from cadence.model import InstallOptions, PluginRef
from cadence.outcome import success_json
from cadence.web.api import answers
from cadence.web.api.plugins import services
from cadence.web.api.replies import flag, reply
from cadence.web.received import uploads_of

#: What a multipart request may hold beside the archive itself, in bytes.
_FORM_BYTES = 1024 * 1024


def upload() -> Response:
    """Install the archive in the field ``file``."""
    request.max_content_length = services().max_upload_bytes + _FORM_BYTES
    options = InstallOptions(force_overwrite=flag("force_overwrite") or False, activate=flag("activate"))
    (received,) = uploads_of(request, most=1)
    if _wants_no_wait():
        return _accepted(services().submit(received, options))
    result = services().run(received, options)
    return reply(success_json(result), 200 if result.replaced else 201)


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


def installs() -> Response:
    """List the latest installs."""
    return reply(answers.InstallList(installs=tuple(services().recent_installs())))


def install(install_id: str) -> Response:
    """One install, running or over."""
    view = services().install(install_id)
    if view is None:
        raise NotFound(f"There is no install {install_id!r}.")
    return reply(answers.InstallAnswer(install=view))


def _wants_no_wait() -> bool:
    """Whether the client asks not to be kept waiting (RFC 7240, ``respond-async``)."""
    preferences = ",".join(request.headers.getlist("Prefer")).lower().split(",")
    return any(preference.split(";")[0].strip() == "respond-async" for preference in preferences)


def _accepted(install_id: str) -> Response:
    response = reply(answers.Accepted(install_id=install_id), 202)
    response.headers["Location"] = url_for("api.install", install_id=install_id)
    response.headers["Preference-Applied"] = "respond-async"
    return response
