"""The WSGI application, for ``flask --app app …`` and for any WSGI server."""

from cadence import create_app

app = create_app()
