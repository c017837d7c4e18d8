"""Uploads: installing and checking versions, and what they brought along."""

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


def confirm(install_id: str) -> Response:
    """Install what a check looked at. Answers as an upload does."""
    force_overwrite, activate = flag("force_overwrite"), flag("activate")
    received, options = services().checked(install_id, force_overwrite=force_overwrite, activate=activate)
    if _wants_no_wait():
        return _accepted(services().submit(received, options))
    status, body = outcome_of(services().run(received, options))
    return reply(body, status)


def retry(install_id: str) -> Response:
    """Do once more what did not succeed, with the archive that is still here, and answer at once."""
    received, options = services().again(install_id, force_overwrite=flag("force_overwrite"))
    is_check = isinstance(options, CheckOptions)
    return _accepted(services().submit(received, options), "Check started" if is_check else "Install started")


def _options() -> tuple[bool, bool | None, bool]:
    """Whether to overwrite, to activate and to resolve anew; before the file, so that a wrong one leaves none."""
    request.max_content_length = services().max_upload_bytes + _FORM_BYTES
    return flag("force_overwrite") or False, flag("activate"), flag("upgrade") or False


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
