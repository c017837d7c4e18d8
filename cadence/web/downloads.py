"""Files to keep that the API and the pages both give."""

from pathlib import Path

from flask import Response, send_file

from cadence.errors import NotFound
from cadence.model import PluginRef
from cadence.web.packages import Packages


def lock_file(ref: PluginRef, packages: Packages) -> Response:
    """The lock of a version as a ``requirements.txt`` with hashes.

    :raises NotFound: when it brings no packages.
    """
    if not packages.lock:
        raise NotFound(f"{ref.name} {ref.version} brings no packages of its own, so it has no lock.", ref=ref)
    response = Response(packages.lock, mimetype="text/plain")
    response.headers.set("Content-Disposition", "attachment", filename=f"{ref.slug}-lock.txt")
    return response


def archive_file(ref: PluginRef, path: Path) -> Response:
    """The archive of a version, as it was uploaded.

    :param path: where it lies.
    :raises NotFound: when it does not any more.
    """
    try:
        return send_file(path, "application/zip", as_attachment=True, download_name=f"{ref.slug}.zip")
    except FileNotFoundError:
        raise NotFound(f"The archive of {ref.name} {ref.version} is gone from the disk.", ref=ref) from None
