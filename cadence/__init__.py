"""Cadence: takes AI-agent plugins as ZIP files while it runs.

:func:`create_app` is the only place where settings, parts and web come together. Nothing else is imported here, so
that ``import cadence.model`` costs no more than it needs.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from cadence.config import Settings
    from cadence.runtime.zygote import Zygote

__all__ = ["create_app"]


def create_app(settings: "Settings | None" = None, zygote: "Zygote | None" = None) -> "Flask":
    """Make the WSGI application. It opens the index; workers start with the first request, or with ``flask serve``.

    :param settings: by default those of the environment.
    :param zygote: one to share with other applications of this process; by default an own one.
    :raises ConfigurationError: when a setting cannot be used.
    """
    from pathlib import Path

    from flask import Flask

    from cadence import cli
    from cadence.config import load_settings
    from cadence.parts import Parts
    from cadence.web import edge, htmx, metrics, problems
    from cadence.web.api import api
    from cadence.web.api.rules import PluginName
    from cadence.web.guard import refuse_foreign
    from cadence.web.incoming import EXTENSION as INCOMING
    from cadence.web.incoming import IncomingUploads
    from cadence.web.pages import EXTENSION as PAGES
    from cadence.web.pages import pages
    from cadence.web.request import Request
    from cadence.web.secret import secret_key
    from cadence.web.services import EXTENSION, PluginServices
    from cadence.web.session import PageSessions

    settings = settings or load_settings()
    root = Path(__file__).parent.parent
    app = Flask("cadence", root_path=str(root), template_folder="templates", static_folder="static")
    parts = Parts(settings, zygote)
    app.secret_key = secret_key(settings.instance)
    app.session_interface = PageSessions(without=problems.API_PREFIX)
    app.extensions[EXTENSION] = parts
    app.extensions[INCOMING] = IncomingUploads()
    app.extensions[PAGES] = PluginServices(parts)
    htmx.init_app(app, Request)
    app.before_request(refuse_foreign)
    edge.init_app(app, problems.API_PREFIX)
    problems.register(app)
    app.url_map.converters["plugin"] = PluginName
    app.register_blueprint(api)
    app.register_blueprint(pages)
    metrics.register(app, parts)
    cli.register(app)
    return app
