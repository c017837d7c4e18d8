"""From a folder of files to a plugin that can be called, or to every fault that keeps it from that."""

import importlib.util
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from packaging.version import InvalidVersion, Version

from cadence_sdk._runtime.event_loop import EventLoop
from cadence_sdk._runtime.exhaustion import is_out_of_memory, named_limits
from cadence_sdk._runtime.failure import culprit, describe, text_of
from cadence_sdk._runtime.health import check_health
from cadence_sdk._runtime.limits import Limits
from cadence_sdk._runtime.report import Fault, HealthReport, Metadata, Requests, TrialReport
from cadence_sdk._runtime.routing import prompt_of, route, routes, routing_warnings
from cadence_sdk._runtime.tools import ToolCall
from cadence_sdk.base.agent import BaseAgent
from cadence_sdk.base.metadata import PluginMetadata
from cadence_sdk.base.plugin import BasePlugin
from cadence_sdk.registry import RegistrationError, get_plugin_registry
from cadence_sdk.response_schema import json_schema
from cadence_sdk.utils.validation import dependency_errors, metadata_errors, prompt_errors, tools_errors

T = TypeVar("T")

STAGE = "trial"
_FAILED = object()


class LoadFailed(Exception):
    """The plugin cannot be loaded; ``faults`` are all the reasons that were found.

    ``requests`` are what its metadata asks for, None where it could not be read.
    """

    def __init__(self, faults: tuple[Fault, ...], requests: Requests | None = None) -> None:
        self.faults = faults
        self.requests = requests
        super().__init__("; ".join(fault.message for fault in faults))


class LoadedPlugin:
    """A plugin in this process: its report, its tools, its health.

    :ivar report: what it is and offers.
    :ivar tools: its tools by name.
    :ivar module: the name its package is imported under.
    :ivar loop: what its ``async`` tools run on.
    """

    def __init__(
        self,
        module: str,
        plugin: type[BasePlugin],
        agent: BaseAgent,
        tools: dict[str, ToolCall],
        report: TrialReport,
        limits: Limits | None = None,
    ) -> None:
        self.module = module
        self.report = report
        self.tools = tools
        self.loop = EventLoop()
        self._plugin = plugin
        self._agent = agent
        self._limits = limits

    def health(self) -> HealthReport:
        """Run the plugin's health check; a check that raises, or returns nonsense, is an unhealthy one."""
        return check_health(self._plugin, self._limits)

    def prompt(self) -> str:
        """The agent's system prompt. Raises as :func:`cadence_sdk._runtime.routing.prompt_of`."""
        return prompt_of(self._agent)

    def route(self, messages: Sequence[Any]) -> str:
        """What the agent decides. Raises as :func:`cadence_sdk._runtime.routing.route`."""
        return route(self._agent, messages)

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Have the loop run a coroutine, which must not raise, and wait for what it returns."""
        return self.loop.start(coroutine).result()

    def close(self) -> None:
        """Let the agent clean up, once nobody calls it any more.

        :raises BaseException: whatever its ``cleanup()`` raises.
        """
        self._agent.cleanup()


def load(
    path: Path, name: str, version: str | None = None, *, trial: bool = True, limits: Limits | None = None
) -> LoadedPlugin:
    """Import the plugin in a folder and try everything it promises.

    From then on this process writes no bytecode, and the registry holds this plugin only.

    :param path: the folder that holds the plugin's ``__init__.py``.
    :param name: the plugin's name; its package is imported under it, with ``_`` for ``-``.
    :param version: the version its metadata has to have; ``None`` takes any.
    :param trial: whether the plugin has to be healthy and to have its dependencies. One that was accepted once loads
        without: a service that is down for a while must not keep it from starting again.
    :param limits: those it is under: one that it came to is named.
    :raises LoadFailed: with every fault found.
    """
    return _Trial(path.absolute(), name, version, trial, limits).run()


def unload(module: str) -> None:
    """Forget a package and all its submodules."""
    for loaded in [key for key in sys.modules if key == module or key.startswith(f"{module}.")]:
        del sys.modules[loaded]


@dataclass
class _Trial:
    """One attempt to load a plugin: goes on after a fault as far as it makes sense, and collects."""

    path: Path
    name: str
    version: str | None
    strict: bool
    limits: Limits | None = None
    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    requests: Requests | None = None

    @property
    def module(self) -> str:
        return self.name.replace("-", "_")

    def run(self) -> LoadedPlugin:
        if not self.has_free_name():
            raise LoadFailed(tuple(self.faults))
        plugin = self.registered_class() if self.imports() else None
        loaded = None
        if plugin is not None:
            # Whatever else its objects do when they are looked at, the plugin is at fault.
            loaded = self.attempt("load_failed", partial(self.tried, plugin), "Loading the plugin")
        if not isinstance(loaded, LoadedPlugin) or self.faults:
            unload(self.module)
            raise LoadFailed(tuple(self.faults), self.requests)
        return loaded

    def fault(self, code: str, message: str, culprit: str | None = None) -> None:
        self.faults.append(Fault(STAGE, code, message, culprit))

    def attempt(self, code: str, call: Callable[[], Any], doing: str) -> Any:
        """What the plugin's code returns, or ``_FAILED`` and a fault when it raises."""
        try:
            return call()
        except BaseException as error:  # noqa: BLE001  (a plugin may raise anything, SystemExit too)
            self.blame(code, doing, error)
            return _FAILED

    def blame(self, code: str, doing: str, error: BaseException) -> None:
        place = culprit(error, self.path)
        where = f" ({place})" if place else ""
        sentences = (f"{doing} {_deed(error)}{where}.", *named_limits(error, self.limits))
        self.fault("memory_limit" if is_out_of_memory(error) else code, " ".join(sentences), place)

    # The package

    def has_free_name(self) -> bool:
        module = self.module
        if not module.isidentifier():
            self.fault("module_name_invalid", f"{module!r} cannot be the name of a Python package; rename the plugin.")
        elif module in sys.stdlib_module_names:
            self.fault("module_name_taken", f"{module!r} is a module of Python itself; rename the plugin.")
        elif module in sys.modules:
            self.fault("module_name_taken", f"A module named {module!r} is already loaded; rename the plugin.")
        return not self.faults

    def imports(self) -> bool:
        """Import the package under its plain name, so that it can import itself relatively and absolutely."""
        sys.dont_write_bytecode = True
        get_plugin_registry().clear_all()
        try:
            self.execute()
        except RegistrationError as error:
            for sentence in error.sentences:
                self.fault("invalid_plugin_class", sentence, culprit(error, self.path))
        except ModuleNotFoundError as error:
            self.missing_module(error)
        except BaseException as error:  # noqa: BLE001  (a plugin may raise anything, SystemExit too)
            self.blame("import_failed", f"Importing {self.module}", error)
        return not self.faults

    def execute(self) -> None:
        file = self.path / "__init__.py"
        spec = importlib.util.spec_from_file_location(self.module, file, submodule_search_locations=[str(self.path)])
        if spec is None or spec.loader is None:
            raise ImportError(f"{file} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.module] = module
        spec.loader.exec_module(module)

    def missing_module(self, error: ModuleNotFoundError) -> None:
        missing = error.name or text_of(error)
        place = culprit(error, self.path)
        where = f" ({place})" if place else ""
        if missing.partition(".")[0] == self.module:
            remedy = "the plugin has no such file"
        else:
            remedy = "declare the package that brings it as a dependency"
        self.fault(
            "missing_module", f"Importing {self.module} found no module named {missing!r}{where}: {remedy}.", place
        )

    def registered_class(self) -> type[BasePlugin] | None:
        classes = [contract.plugin_class for contract in get_plugin_registry()]
        if len(classes) == 1:
            return classes[0]
        if classes:
            names = ", ".join(sorted(cls.__name__ for cls in classes))
            self.fault("several_plugins", f"One plugin class must be registered, not {len(classes)}: {names}.")
        else:
            words = "No plugin was registered: __init__.py must call register_plugin() with the plugin class."
            self.fault("not_registered", words, "__init__.py")
        return None

    # The plugin

    def tried(self, plugin: type[BasePlugin]) -> LoadedPlugin | None:
        metadata = self.metadata(plugin)
        if self.strict:
            self.dependencies(plugin)
        agent = self.agent(plugin)
        tools = {} if agent is None else self.tools(agent)
        health = self.health(plugin)
        if metadata is None or agent is None or self.faults:
            return None
        report = TrialReport(
            metadata=metadata,
            tools=tuple(tool.spec for tool in tools.values()),
            parallel_tool_calls=bool(getattr(agent, "parallel_tool_calls", True)),
            health=health,
            warnings=tuple(self.warnings),
            routes=routes(agent),
        )
        self.attempt("report_not_json", partial(msgspec.json.encode, report), "Writing the plugin's report as JSON")
        return LoadedPlugin(self.module, plugin, agent, tools, report, self.limits)

    def metadata(self, plugin: type[BasePlugin]) -> Metadata | None:
        found = self.attempt("metadata_failed", plugin.get_metadata, "get_metadata()")
        if found is _FAILED:
            return None
        errors = metadata_errors(found)
        for sentence in errors:
            self.fault("invalid_metadata", sentence)
        if not isinstance(found, PluginMetadata) or errors:
            return None
        self.requests = Requests(tuple(found.network), found.memory_mb)
        self.compare_identity(found)
        schema = None
        if found.response_schema is not None:
            schema = self.attempt(
                "invalid_metadata",
                partial(json_schema, found.response_schema),
                "Reading the metadata's response_schema",
            )
        return None if schema is _FAILED else _plain_metadata(found, schema)

    def compare_identity(self, metadata: PluginMetadata) -> None:
        if self.version is not None and not _same_version(metadata.version, self.version):
            words = (
                f"The metadata says version {metadata.version!r}, but the archive's file name says {self.version!r}."
            )
            self.fault("version_mismatch", words)
        if metadata.name != self.name:
            self.warnings.append(f"The metadata calls the plugin {metadata.name!r}, its archive {self.name!r}.")

    def dependencies(self, plugin: type[BasePlugin]) -> None:
        missing = self.attempt("dependencies_failed", plugin.validate_dependencies, "validate_dependencies()")
        if missing is not _FAILED:
            for sentence in dependency_errors(missing):
                self.fault("dependency_missing", sentence)

    def health(self, plugin: type[BasePlugin]) -> HealthReport:
        report = check_health(plugin, self.limits)
        if self.strict and not report.healthy:
            reason = report.error or report.details
            self.fault("unhealthy", "The health check failed" + (f": {text_of(reason)}" if reason else "."))
        return report

    # Its agent

    def agent(self, plugin: type[BasePlugin]) -> BaseAgent | None:
        agent = self.attempt("agent_failed", plugin.create_agent, "create_agent()")
        if agent is _FAILED:
            return None
        if not isinstance(agent, BaseAgent):
            self.fault("invalid_agent", f"create_agent() returned {type(agent).__name__} instead of a BaseAgent.")
            return None
        self.attempt("agent_failed", agent.initialize, "The agent's initialize()")
        prompt = self.attempt("agent_failed", agent.get_system_prompt, "The agent's get_system_prompt()")
        if prompt is not _FAILED:
            for sentence in prompt_errors(prompt):
                self.fault("invalid_agent", sentence)
        self.note_overrides(type(agent))
        if self.strict:
            self.warnings.extend(routing_warnings(agent))
        return agent

    def note_overrides(self, agent: type[BaseAgent]) -> None:
        self.warnings.extend(
            f"{agent.__name__} overrides {method}(), which is never called: the model runs in the server."
            for method in ("bind_model", "create_agent_node")
            if getattr(agent, method) is not getattr(BaseAgent, method)
        )

    def tools(self, agent: BaseAgent) -> dict[str, ToolCall]:
        listed = self.attempt("tools_failed", agent.get_tools, "The agent's get_tools()")
        if listed is _FAILED:
            return {}
        errors = tools_errors(listed)
        for sentence in errors:
            self.fault("invalid_tool", sentence)
        return {} if errors else self.calls(listed)

    def calls(self, listed: list[Any]) -> dict[str, ToolCall]:
        calls: dict[str, ToolCall] = {}
        for tool in listed:
            call = self.attempt(
                "invalid_tool", partial(ToolCall, tool), f"Reading the schema of the tool {tool.name!r}"
            )
            if call is not _FAILED:
                calls[tool.name] = call
        return calls


def _plain_metadata(metadata: PluginMetadata, schema: dict[str, Any] | None) -> Metadata:
    return Metadata(
        name=metadata.name,
        version=metadata.version,
        description=metadata.description,
        capabilities=tuple(metadata.capabilities),
        llm_requirements=metadata.llm_requirements,
        agent_type=metadata.agent_type,
        dependencies=tuple(metadata.dependencies),
        response_schema=schema,
        response_suggestion=metadata.response_suggestion,
        sdk_version=metadata.sdk_version,
        network=tuple(metadata.network),
        memory_mb=metadata.memory_mb,
    )


def _same_version(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _deed(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"called sys.exit({'' if error.code is None else text_of(error.code)})"
    return f"raised {describe(error)}"
