"""``flask serve``, ``flask doctor``, ``flask chat``, ``flask plugins``: each one call on the parts, and lines of text.

They act on store and index directly, with and without a running server; a running one follows within a moment.
"""

from flask import Flask

from cadence.cli.authoring import pack, validate
from cadence.cli.chat import chat
from cadence.cli.comparison import compare
from cadence.cli.dev import dev
from cadence.cli.environments import environments
from cadence.cli.grants import grant
from cadence.cli.health import health, test
from cadence.cli.history import history
from cadence.cli.installs import cancel, installs
from cadence.cli.logs import logs
from cadence.cli.plugins import plugins
from cadence.cli.serving import doctor, serve
from cadence.cli.versions import activate, deleted, disable, enable, pin, restore, rollback, unpin


def register(app: Flask) -> None:
    """Add the commands to the application's."""
    for command in (validate, pack, compare, dev, grant, environments, installs, cancel):
        plugins.add_command(command)
    for command in (activate, rollback, pin, unpin, disable, enable, restore, deleted, history, health, test, logs):
        plugins.add_command(command)
    for command in (serve, doctor, chat, plugins):
        app.cli.add_command(command)
