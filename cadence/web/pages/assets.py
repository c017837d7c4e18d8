"""The htmx script, served from its installed wheel."""

import hashlib
from functools import cache
from importlib.resources import files

from flask import Response, abort, request, url_for

YEAR_SECONDS = 31_536_000


@cache
def _script() -> tuple[bytes, str]:
    """Return the script and its digest."""
    script = files("js_lib_htmx").joinpath("static/htmx/htmx.min.js").read_bytes()
    return script, hashlib.sha256(script).hexdigest()[:16]


def htmx_url() -> str:
    """Return the script's address. It holds the digest, so that a new release is a new address."""
    return url_for("pages.htmx_script", digest=_script()[1])


def htmx_script(digest: str) -> Response:
    """``GET /assets/htmx-<digest>.js``: may be kept for a year, since its content never changes."""
    script, current = _script()
    if digest != current:
        abort(404)
    response = Response(script, mimetype="text/javascript")
    response.cache_control.public = True
    response.cache_control.max_age = YEAR_SECONDS
    response.cache_control.immutable = True
    response.set_etag(current)
    response.make_conditional(request)  # changes the response in place
    return response
