"""The settings: the environment is read here, once, into one frozen value.

A ``.env`` file in the working directory is read too; what the environment says wins over it.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from cadence.errors import ConfigurationError
from cadence_sdk._runtime.limits import Limits

MIB = 1024 * 1024


class SandboxMode(StrEnum):
    """Whether plugins run confined, and what happens where the host cannot confine them wholly."""

    PREFER = "prefer"
    REQUIRE = "require"
    OFF = "off"


def _boolean(text: str) -> bool:
    known = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    try:
        return known[text.strip().lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def _path(text: str) -> Path:
    if not text.strip():
        raise ValueError("must name a folder")
    return Path(text).expanduser().absolute()


def _at_least(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError("must be a whole number") from None
        if value < least:
            raise ValueError(f"must be at least {least}")
        return value

    return parse


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("must be a number of seconds") from None
    if not 0 < value < float("inf"):
        raise ValueError("must be more than 0 seconds")
    return value


def _port(text: str) -> int:
    value = _at_least(1)(text)
    if value > 65535:
        raise ValueError("must be a port between 1 and 65535")
    return value


def _model(text: str) -> str:
    provider, colon, name = text.strip().partition(":")
    if text.strip() == "offline" or (colon and provider.strip() and name.strip()):
        return text.strip()
    raise ValueError("must be offline, or a provider and a model such as openai:gpt-4.1")


def _sandbox_mode(text: str) -> SandboxMode:
    try:
        return SandboxMode(text.strip().lower())
    except ValueError:
        raise ValueError("must be prefer, require or off") from None


def _setting(variable: str, default: Any, parse: Callable[[str], Any], words: str) -> Any:
    """A field of :class:`Settings`, read from ``variable`` by ``parse``; ``words`` is its line in the README."""
    metadata = {"variable": variable, "parse": parse, "words": words}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def _under_cwd(name: str) -> Callable[[], Path]:
    return lambda: Path(name).absolute()


@dataclass(frozen=True)
class Settings:
    """Everything that can be set, with units in the names."""

    instance: Path = _setting(
        "CADENCE_INSTANCE", _under_cwd("instance"), _path, "folder of the index, logs and environments"
    )
    store_plugin: Path | None = _setting(
        "CADENCE_STORE_PLUGIN",
        None,
        _path,
        "folder of the extracted plugins (default: `store_plugin` in the instance)",
    )
    store_archived: Path | None = _setting(
        "CADENCE_STORE_ARCHIVED",
        None,
        _path,
        "folder of the uploaded archives (default: `store_archived` in the instance)",
    )
    enable_directory_plugins: bool = _setting(
        "CADENCE_ENABLE_DIRECTORY_PLUGINS",
        True,
        _boolean,
        "whether plugin folders put into the store by hand are picked up",
    )
    host: str = _setting("CADENCE_HOST", "127.0.0.1", str.strip, "address the server listens on; loopback only")
    port: int = _setting("CADENCE_PORT", 8000, _port, "port the server listens on")
    threads: int = _setting("CADENCE_THREADS", 16, _at_least(1), "requests the server works on at once")
    max_upload_bytes: int = _setting(
        "CADENCE_MAX_UPLOAD_BYTES", 50 * MIB, _at_least(1), "largest archive taken, in bytes"
    )
    max_unpacked_bytes: int = _setting(
        "CADENCE_MAX_UNPACKED_BYTES", 200 * MIB, _at_least(1), "largest plugin once unpacked, in bytes"
    )
    max_archive_entries: int = _setting(
        "CADENCE_MAX_ARCHIVE_ENTRIES", 2000, _at_least(1), "most files and folders in an archive"
    )
    max_compression_ratio: int = _setting(
        "CADENCE_MAX_COMPRESSION_RATIO", 200, _at_least(1), "highest ratio of unpacked to packed bytes"
    )
    max_path_bytes: int = _setting("CADENCE_MAX_PATH_BYTES", 240, _at_least(16), "longest path in an archive, in bytes")
    max_path_depth: int = _setting("CADENCE_MAX_PATH_DEPTH", 16, _at_least(1), "deepest path in an archive, in folders")
    max_concurrent_installs: int = _setting(
        "CADENCE_MAX_CONCURRENT_INSTALLS",
        2,
        _at_least(1),
        "installs of different plugins that run side by side",
    )
    dependency_idle_seconds: float = _setting(
        "CADENCE_DEPENDENCY_IDLE_SECONDS",
        120.0,
        _seconds,
        "a dependency install that is silent for so long is ended",
    )
    wheelhouse: Path | None = _setting(
        "CADENCE_WHEELHOUSE", None, _path, "folder of wheels that are taken before any from an index"
    )
    offline: bool = _setting(
        "CADENCE_OFFLINE",
        False,
        _boolean,
        "whether dependencies are installed without any network, from `wheels/` in the archive, the wheelhouse and"
        " what was downloaded before",
    )
    allow_sdist: bool = _setting(
        "CADENCE_ALLOW_SDIST",
        False,
        _boolean,
        "whether packages without a wheel may be built from source, inside the sandbox",
    )
    load_seconds: float = _setting("CADENCE_LOAD_SECONDS", 30.0, _seconds, "time a plugin has to load")
    call_seconds: float = _setting("CADENCE_CALL_SECONDS", 30.0, _seconds, "time a tool call has to answer")
    max_message_bytes: int = _setting(
        "CADENCE_MAX_MESSAGE_BYTES",
        16 * MIB,
        _at_least(4096),
        "largest message between server and worker, in bytes",
    )
    sandbox: SandboxMode = _setting(
        "CADENCE_SANDBOX",
        SandboxMode.PREFER,
        _sandbox_mode,
        "`prefer` confines plugins by what the host has and warns of what it lacks, `require` runs none where a layer"
        " is missing, `off` confines nothing",
    )
    plugin_memory_mb: int = _setting(
        "CADENCE_PLUGIN_MEMORY_MB", 512, _at_least(16), "memory a plugin may allocate, in MiB"
    )
    plugin_cpu_percent: int = _setting(
        "CADENCE_PLUGIN_CPU_PERCENT", 100, _at_least(1), "share of one processor a plugin gets, in percent"
    )
    plugin_processes: int = _setting("CADENCE_PLUGIN_PROCESSES", 0, _at_least(0), "processes a plugin may start")
    plugin_threads: int = _setting("CADENCE_PLUGIN_THREADS", 128, _at_least(8), "threads a plugin may run")
    plugin_open_files: int = _setting(
        "CADENCE_PLUGIN_OPEN_FILES", 256, _at_least(32), "files and sockets a plugin may have open"
    )
    plugin_data_mb: int = _setting(
        "CADENCE_PLUGIN_DATA_MB", 1024, _at_least(1), "files a plugin may keep, data and temporary ones, in MiB"
    )
    idle_seconds: float = _setting(
        "CADENCE_IDLE_SECONDS",
        900.0,
        _seconds,
        "a plugin that was not called for so long sleeps: it has no process until it is called again",
    )
    max_live_workers: int = _setting(
        "CADENCE_MAX_LIVE_WORKERS", 64, _at_least(1), "plugins that are awake at once; the least recently used sleeps"
    )
    max_workers_memory_mb: int = _setting(
        "CADENCE_MAX_WORKERS_MEMORY_MB",
        4096,
        _at_least(16),
        "memory of all plugins together, in MiB; above it the least recently used sleep",
    )
    health_interval_seconds: float = _setting(
        "CADENCE_HEALTH_INTERVAL_SECONDS", 60.0, _seconds, "time between two health checks of a plugin that is awake"
    )
    health_timeout_seconds: float = _setting(
        "CADENCE_HEALTH_TIMEOUT_SECONDS", 10.0, _seconds, "time a health check has to answer"
    )
    health_failures: int = _setting(
        "CADENCE_HEALTH_FAILURES", 3, _at_least(1), "failed health checks in a row after which a version has failed"
    )
    probation_seconds: float = _setting(
        "CADENCE_PROBATION_SECONDS",
        3600.0,
        _seconds,
        "time for which a version that became active is new: where it fails, the one before it takes over",
    )
    probation_crashes: int = _setting(
        "CADENCE_PROBATION_CRASHES",
        3,
        _at_least(1),
        "crashes, missed deadlines and limits reached after which a new version is taken back",
    )
    history_days: int = _setting(
        "CADENCE_HISTORY_DAYS", 30, _at_least(1), "days for which health checks and events are kept"
    )
    deleted_retention_days: int = _setting(
        "CADENCE_DELETED_RETENTION_DAYS", 7, _at_least(0), "days in which a deleted version can be brought back"
    )
    safe_mode: bool = _setting(
        "CADENCE_SAFE_MODE", False, _boolean, "whether the server runs no plugin at all, so that one can be taken out"
    )
    metrics_max_plugins: int = _setting(
        "CADENCE_METRICS_MAX_PLUGINS", 200, _at_least(1), "plugins told apart in `/metrics`; the others are one"
    )
    max_log_bytes: int = _setting("CADENCE_MAX_LOG_BYTES", MIB, _at_least(4096), "log kept for each plugin, in bytes")
    max_log_bytes_per_second: int = _setting(
        "CADENCE_MAX_LOG_BYTES_PER_SECOND",
        16 * MIB,
        _at_least(4096),
        "log read from each worker in a second, in bytes; one that writes more waits",
    )

    llm: str | None = _setting(
        "CADENCE_LLM",
        None,
        _model,
        "the language model of conversations, as `provider:model`; `offline` needs no key and no network (default:"
        " `offline`, or what `CADENCE_DEFAULT_LLM_PROVIDER` names)",
    )
    max_agent_hops: int = _setting(
        "CADENCE_MAX_AGENT_HOPS", 25, _at_least(1), "times that one turn may hand over to an agent"
    )
    graph_recursion_limit: int = _setting(
        "CADENCE_GRAPH_RECURSION_LIMIT", 50, _at_least(5), "steps of the graph that one turn may take"
    )
    turn_seconds: float = _setting("CADENCE_TURN_SECONDS", 300.0, _seconds, "time a turn of a conversation has")
    max_chat_turns: int = _setting(
        "CADENCE_MAX_CHAT_TURNS", 8, _at_least(1), "conversations that answer at once; more of them wait"
    )
    chat_wait_seconds: float = _setting(
        "CADENCE_CHAT_WAIT_SECONDS", 5.0, _seconds, "time a turn waits to begin, before the asker is told to come back"
    )
    max_chat_agents: int = _setting(
        "CADENCE_MAX_CHAT_AGENTS",
        32,
        _at_least(1),
        "plugins that one turn offers to the model; of more, those that fit the message best",
    )
    max_chat_characters: int = _setting(
        "CADENCE_MAX_CHAT_CHARACTERS", 32_000, _at_least(1), "longest message, in characters"
    )
    chat_history_characters: int = _setting(
        "CADENCE_CHAT_HISTORY_CHARACTERS",
        60_000,
        _at_least(1000),
        "of a conversation's past, how much a model is shown, in characters",
    )

    @property
    def limits(self) -> Limits:
        """What a plugin gets that was granted nothing."""
        return Limits(
            memory_mb=self.plugin_memory_mb,
            call_seconds=self.call_seconds,
            cpu_percent=self.plugin_cpu_percent,
            processes=self.plugin_processes,
            threads=self.plugin_threads,
            open_files=self.plugin_open_files,
            data_mb=self.plugin_data_mb,
        )

    @property
    def plugin_dir(self) -> Path:
        """Where extracted plugins lie."""
        return self.store_plugin or self.instance / "store_plugin"

    @property
    def archive_dir(self) -> Path:
        """Where uploaded archives lie."""
        return self.store_archived or self.instance / "store_archived"


def load_settings(environ: Mapping[str, str] | None = None, dotenv: Path | None = None) -> Settings:
    """Read the settings.

    :param environ: what to read instead of the process environment and the ``.env`` file.
    :param dotenv: the ``.env`` file, by default the one in the working directory.
    :raises ConfigurationError: in one sentence that names the variable, when a value cannot be used.
    """
    if environ is None:
        environ = {k: v for k, v in dotenv_values(dotenv or Path(".env")).items() if v is not None} | dict(os.environ)
    values = {}
    for setting in fields(Settings):
        variable, parse = setting.metadata["variable"], setting.metadata["parse"]
        if variable in environ:
            try:
                values[setting.name] = parse(environ[variable])
            except ValueError as error:
                raise ConfigurationError(f"{variable} {error}, not {environ[variable]!r}.") from None
    settings = Settings(**values)
    if settings.plugin_dir == settings.archive_dir:
        raise ConfigurationError("CADENCE_STORE_PLUGIN and CADENCE_STORE_ARCHIVED must be two different folders.")
    return settings
