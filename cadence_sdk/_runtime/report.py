"""What a worker can say about the plugin it loaded: frozen values that cross the wire as JSON.

The server decodes them with ``msgspec``, which checks every type on the way in, because the bytes come from a
process that runs untrusted code.
"""

from typing import Any

from msgspec import Struct

#: How many examples all tools of a plugin may have together.
MAX_EXAMPLES_PER_PLUGIN = 100


class Fault(Struct, frozen=True):
    """One thing that is wrong with a plugin, as data.

    ``stage`` names the stage of the install that found it (``archive``, ``inspect``, ``dependencies``,
    ``trial`` …), ``code`` is a stable identifier in snake case, ``message`` a sentence for a person, and
    ``culprit`` the file, requirement, tool or entry at fault where one is known (``plugin.py:12``). ``line`` is what
    stands there, where that is a line of a file; the server adds it.
    """

    stage: str
    code: str
    message: str
    culprit: str | None = None
    line: str | None = None


class Requests(Struct, frozen=True):
    """What a plugin asks for in its metadata: endpoints as it wrote them, and memory in MiB. Asking grants nothing."""

    network: tuple[str, ...] = ()
    memory_mb: int | None = None


class Metadata(Struct, frozen=True):
    """``PluginMetadata`` as plain data. ``network`` and ``memory_mb`` are what the plugin asks for, no more."""

    name: str
    version: str
    description: str
    capabilities: tuple[str, ...] = ()
    llm_requirements: dict[str, Any] = {}
    agent_type: str = "specialized"
    dependencies: tuple[str, ...] = ()
    response_schema: dict[str, Any] | None = None
    response_suggestion: str | None = None
    sdk_version: str | None = None
    network: tuple[str, ...] = ()
    memory_mb: int | None = None

    @property
    def requests(self) -> Requests:
        """What the plugin asks for."""
        return Requests(self.network, self.memory_mb)


class ToolSpec(Struct, frozen=True):
    """One tool: ``parameters`` is the JSON schema of its arguments object, ``examples`` how many it can be tried by."""

    name: str
    description: str
    parameters: dict[str, Any]
    is_async: bool = False
    examples: int = 0


class ExampleResult(Struct, frozen=True):
    """What came of one example of a tool, called with ``args``.

    ``words`` say in a sentence what was called, what it did and, where it was not ``passed``, what is expected; ``ms``
    is how long it took.
    """

    tool: str
    args: dict[str, Any]
    passed: bool
    words: str = ""
    ms: float = 0.0


class HealthReport(Struct, frozen=True):
    """The outcome of one health check; ``ms`` is how long the check took."""

    healthy: bool
    details: Any = None
    checks: dict[str, Any] = {}
    error: str | None = None
    ms: float = 0.0


class TrialReport(Struct, frozen=True):
    """What a worker found when it loaded a plugin without a fault.

    ``routes`` is whether its agent decides itself, by ``should_continue``, when a conversation goes on.
    """

    metadata: Metadata
    tools: tuple[ToolSpec, ...]
    parallel_tool_calls: bool
    health: HealthReport
    warnings: tuple[str, ...] = ()
    routes: bool = False


class Layer(Struct, frozen=True):
    """One layer of the confinement on this host.

    ``name`` is short and stable (``landlock``, ``seccomp``, ``network namespace`` …), ``protects`` says in words what
    it keeps a plugin from; ``reason`` is why it is missing where it is not active, or what is weaker than it could be.
    """

    name: str
    protects: str
    active: bool
    reason: str | None = None
