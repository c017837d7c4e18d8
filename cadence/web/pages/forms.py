"""The forms of the pages. Flask-WTF gives each its token against cross-site requests."""

from flask_wtf import FlaskForm  # type: ignore[import-untyped]  # Flask-WTF ships no types
from flask_wtf.file import MultipleFileField  # type: ignore[import-untyped]  # as above
from msgspec import UNSET, UnsetType, structs
from wtforms import BooleanField, StringField, TextAreaField  # type: ignore[import-untyped]  # as above

from cadence.errors import Forbidden
from cadence.expectation import Expected


class TokenForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """A form that carries nothing but its token."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]  # as above
        """The token lives as long as the session: a management page stays open for days."""

        csrf_time_limit = None

    def require_valid(self) -> None:
        """Refuse a request that did not come from a page of this server.

        :raises Forbidden: in words that say what to do.
        """
        if not self.validate_on_submit():
            raise Forbidden("This page is out of date. Reload the page and try again.")


class UploadForm(TokenForm):
    """Archives to install or to check. ``trial`` is about checks alone: an install has one in any case."""

    file = MultipleFileField("Plugin archives")
    force_overwrite = BooleanField("Force overwrite")
    upgrade = BooleanField("Resolve dependencies anew")
    trial = BooleanField("Try it out with its packages")


class CancelForm(TokenForm):
    """The wish to end an install."""


class ConfirmForm(TokenForm):
    """The wish to install what a check looked at. ``force_overwrite`` is there where that replaces a version."""

    force_overwrite = BooleanField("Replace the version that is installed")


class SwitchForm(TokenForm):
    """A decision about a plugin, with what the page showed when the form was made: somebody may have decided since.

    ``shown`` is the version that was active, empty where none was, ``pinned`` and ``disabled`` are ``yes`` or ``no``.
    ``version`` is the one it is about, where that is another, and ``install`` the install of that.
    """

    shown = StringField()
    pinned = StringField()
    disabled = StringField()
    install = StringField()
    version = StringField()

    @property
    def expected(self) -> Expected:
        """What the page showed."""
        return Expected(
            active_version=self.shown.data or None,
            pinned=_shown_as(self.pinned.data),
            disabled=_shown_as(self.disabled.data),
            install_id=self.install.data or UNSET,
        )


class ToolForm(TokenForm):
    """The wish to have a tool called; its arguments have fields of their own, which depend on the tool."""


class HealthForm(TokenForm):
    """The wish to have a plugin looked at."""


class RestoreForm(TokenForm):
    """The wish to bring back a version that was deleted: the ``install`` of it that the page showed."""

    install = StringField()


class DeleteForm(SwitchForm):
    """The confirmation that a version is to be deleted; ``successor`` was said to answer then, empty for none."""

    successor = StringField()

    @property
    def expected(self) -> Expected:
        """What the confirmation said."""
        target = UNSET if self.successor.data is None else self.successor.data or None
        seen = UNSET if self.shown.data is None else self.shown.data or None
        return structs.replace(super().expected, active_version=seen, target=target)


class ReloadForm(TokenForm):
    """The wish to load every plugin anew."""


class GrantsForm(TokenForm):
    """What a plugin is permitted, as text: what it means is read by the same validation as that of the API.

    Values of the environment have fields of their own, which depend on what is set. ``revision`` is of the grants that
    the form was made from: somebody may have changed them since. ``ahead`` is there where the name was not installed.
    """

    revision = StringField()
    ahead = StringField()
    network = TextAreaField("Network")
    memory_mb = StringField()
    call_seconds = StringField()
    cpu_percent = StringField()
    processes = StringField()
    threads = StringField()
    open_files = StringField()
    data_mb = StringField()


class RequestedForm(TokenForm):
    """The wish to grant what a plugin asks for, as it was shown beside the grants of that ``revision``."""

    revision = StringField()


def _shown_as(text: str | None) -> bool | UnsetType:
    return UNSET if text is None else text == "yes"
