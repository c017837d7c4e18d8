"""The headers that every page carries."""

from flask import Response

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)


def harden(response: Response) -> Response:
    """Forbid a response everything a page of this server does not need; what is set already stays.

    JSON is never shown as a page once its type is taken at its word, so the rest would be bytes for nothing.
    """
    headers = response.headers
    if response.mimetype == "application/json":
        headers["X-Content-Type-Options"] = "nosniff"
        return response
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    return response


def keep_fragments_apart(response: Response) -> Response:
    """One address may answer with a page or with a fragment: no cache may mix them up."""
    response.vary.add("HX-Request")
    response.headers.setdefault("Cache-Control", "no-cache")
    return response
