"""The exceptions of the server, as a tree. Each knows its HTTP status and the words the public sees.

::

    CadenceError
    ├── ConfigurationError        a setting is wrong; start-up stops
    ├── Refused                   what came in cannot be taken
    │   ├── NoFileProvided        400
    │   ├── UploadTooLarge        413
    │   ├── RequestTooLarge       413
    │   ├── InvalidFilename       400
    │   ├── InvalidArchive        400
    │   ├── InvalidRequest        400
    │   ├── PluginExists          409
    │   ├── Busy                  409, in storage.locks: somebody else changes the same thing
    │   ├── Outdated              409, in expectation: somebody else was faster
    │   ├── NothingBefore         409, in switching: no version to roll back to
    │   ├── ThreadBusy            409, a conversation that is still answering
    │   ├── TooManyTurns          429
    │   ├── ValidationFailed      422
    │   ├── DependenciesFailed    422
    │   ├── InvalidArguments      422
    │   ├── InvalidGrants         422
    │   └── Forbidden             403
    ├── NotFound                  404, what was asked for is not here
    ├── Cancelled                 409, an install that was ended on request
    ├── StorageFull               507
    ├── TurnStopped               409, a turn that was ended on request
    ├── ModelFailed               502, the language model did not answer
    │   ├── ModelUnavailable      503, it cannot be reached, or is not set up
    │   └── ModelTimedOut         504
    └── CallFailed                a tool call did not bring a result
        ├── ToolRaised            502
        ├── WorkerEnded           502
        ├── LimitReached          502, it came to the end of what it is allowed
        ├── CallTimedOut          504
        └── PluginUnavailable     503
            ├── SandboxIncomplete 503, and nothing will change that while this server runs
            └── SafeMode          503, no plugin runs because an operator wants it so
"""

from collections.abc import Sequence

from cadence.model import Fault, PluginRef, Requests


class CadenceError(Exception):
    """Base of all: a short ``message`` for the public, the ``details`` as sentences, and the plugin where known.

    ``details`` is one string where there is one sentence and a list where there are several, as the public JSON
    has it.
    """

    status = 500
    message = "Something went wrong on the server"

    def __init__(
        self,
        *sentences: str,
        message: str | None = None,
        ref: PluginRef | None = None,
        faults: Sequence[Fault] = (),
    ) -> None:
        self.faults = tuple(faults)
        self.sentences = tuple(sentences) or tuple(fault.message for fault in self.faults)
        self.message = message or type(self).message
        self.ref = ref
        super().__init__(": ".join([self.message, "; ".join(self.sentences)]) if self.sentences else self.message)

    @property
    def in_words(self) -> str:
        """Everything it says, in one line."""
        return "; ".join(self.sentences) or self.message

    @property
    def details(self) -> str | list[str]:
        """The sentences as the public JSON shows them."""
        return self.sentences[0] if len(self.sentences) == 1 else list(self.sentences)


class ConfigurationError(CadenceError):
    """A setting has a value that cannot be used."""

    message = "Wrong setting"


class Refused(CadenceError):
    """What came in cannot be taken as it is."""

    status = 400
    message = "The request cannot be taken"


class NoFileProvided(Refused):
    """An upload without a file."""

    message = "No file provided"


class UploadTooLarge(Refused):
    """More bytes than the limit allows."""

    status = 413
    message = "Upload too large"


class RequestTooLarge(Refused):
    """A request, other than an upload, with more bytes than the limit allows."""

    status = 413
    message = "Request too large"


class InvalidFilename(Refused):
    """The file's name is not ``{name}-{version}.zip``."""

    message = "Invalid filename format"


class InvalidArchive(Refused):
    """The container is not a ZIP archive, or not one that is safe to unpack."""

    message = "Invalid ZIP file format"


class InvalidRequest(Refused):
    """A field or a body that cannot be understood."""

    message = "Invalid request"


class Forbidden(Refused):
    """A request that came from where none may come from."""

    status = 403
    message = "Forbidden"


class PluginExists(Refused):
    """The version is installed and no one asked to replace it."""

    status = 409
    message = "Plugin already exists"


class ThreadBusy(Refused):
    """A conversation that is still answering takes no further message."""

    status = 409
    message = "Conversation is busy"


class TooManyTurns(Refused):
    """As many conversations answer as may at once; ``retry_after_seconds`` is when to ask again."""

    status = 429
    message = "Too many conversations"
    retry_after_seconds = 2


class ValidationFailed(Refused):
    """The plugin is not one that can be loaded, or its trial failed.

    ``requests`` are what it asked for before its trial failed, None where it did not come to that.
    """

    status = 422
    message = "Plugin validation failed"
    requests: Requests | None = None


class DependenciesFailed(Refused):
    """What the plugin needs cannot be installed."""

    status = 422
    message = "Dependency installation failed"


class InvalidArguments(Refused):
    """The arguments of a tool call do not fit the tool's schema."""

    status = 422
    message = "Invalid arguments"


class InvalidGrants(Refused):
    """Grants that cannot be given: something in them is wrong, or the plugin does not start with them."""

    status = 422
    message = "Invalid grants"


class NotFound(CadenceError):
    """There is no such plugin, version, tool, install or page."""

    status = 404
    message = "Not found"


class Cancelled(CadenceError):
    """The install was ended on request; nothing of it is left."""

    status = 409
    message = "Install cancelled"


class StorageFull(CadenceError):
    """The disk has no room; nothing was kept."""

    status = 507
    message = "Not enough storage"


class TurnStopped(CadenceError):
    """The turn was ended on request; what it had found by then is kept."""

    status = 409
    message = "Stopped"


class ModelFailed(CadenceError):
    """The language model brought no answer that could be used."""

    status = 502
    message = "Model failed"


class ModelUnavailable(ModelFailed):
    """It cannot be reached, refuses this server, or is not set up."""

    status = 503
    message = "Model unavailable"


class ModelTimedOut(ModelFailed):
    """The deadline passed before it answered."""

    status = 504
    message = "Model timed out"


class CallFailed(CadenceError):
    """A tool call did not bring a result."""

    status = 502
    message = "Tool call failed"


class ToolRaised(CallFailed):
    """The tool raised an exception."""

    message = "Tool raised an error"


class WorkerEnded(CallFailed):
    """The process that ran the plugin ended before it answered."""

    message = "Plugin worker ended"


class LimitReached(CallFailed):
    """The plugin came to a limit that it was set: memory, disk …; the words name the limit and its size."""

    message = "Limit reached"


class CallTimedOut(CallFailed):
    """The deadline passed before the plugin answered."""

    status = 504
    message = "Tool call timed out"


class PluginUnavailable(CallFailed):
    """The plugin is installed but has no worker that could answer now."""

    status = 503
    message = "Plugin unavailable"


class SandboxIncomplete(PluginUnavailable):
    """No plugin may run, because the whole sandbox is required and this host lacks some of it."""


class SafeMode(PluginUnavailable):
    """No plugin may run, because the server was started in safe mode."""
