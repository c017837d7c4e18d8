"""Files to keep that the API and the pages both give."""

from flask import Response

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
