"""The WSGI application, for ``flask --app app …`` and for any WSGI server."""

import sys

from cadence import create_app
from cadence.errors import ConfigurationError

try:
    app = create_app()
except ConfigurationError as error:
    sys.exit(f"Cadence cannot start. {error.in_words}")
