"""The settings: the environment is read here, once, into one frozen value.

A ``.env`` file in the working directory is read too; what the environment says wins over it.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path

from dotenv import dotenv_values

from cadence import setting_parsers as parsers
from cadence.errors import ConfigurationError
from cadence.setting import key, setting, told, usual_model
from cadence_sdk._runtime.limits import Limits

MIB = 1024 * 1024


class SandboxMode(StrEnum):
    """Whether plugins run confined, and what happens where the host cannot confine them wholly."""

    PREFER = "prefer"
    REQUIRE = "require"
    OFF = "off"


def _sandbox_mode(text: str) -> SandboxMode:
    try:
        return SandboxMode(text.strip().lower())
    except ValueError:
        raise ValueError("must be prefer, require or off") from None


def _under_cwd(name: str) -> Callable[[], Path]:
    return lambda: Path(name).absolute()


@dataclass(frozen=True)
class Settings:
    """Everything that can be set, with units in the names."""

    instance: Path = setting(
        "CADENCE_INSTANCE", _under_cwd("instance"), parsers.path, "folder of the index, logs and environments"
    )
    store_plugin: Path | None = setting(
        "CADENCE_STORE_PLUGIN",
        None,
        parsers.path,
        "folder of the extracted plugins (default: `store_plugin` in the instance)",
    )
    store_archived: Path | None = setting(
        "CADENCE_STORE_ARCHIVED",
        None,
        parsers.path,
        "folder of the uploaded archives (default: `store_archived` in the instance)",
    )
    enable_directory_plugins: bool = setting(
        "CADENCE_ENABLE_DIRECTORY_PLUGINS",
        True,
        parsers.boolean,
        "whether plugin folders put into the store by hand are picked up",
    )
    host: str = setting("CADENCE_HOST", "127.0.0.1", str.strip, "address the server listens on; loopback only")
    port: int = setting("CADENCE_PORT", 8000, parsers.port, "port the server listens on")
    threads: int = setting("CADENCE_THREADS", 16, parsers.at_least(1), "requests the server works on at once")
    max_upload_bytes: int = setting(
        "CADENCE_MAX_UPLOAD_BYTES", 50 * MIB, parsers.at_least(1), "largest archive taken, in bytes"
    )
    max_unpacked_bytes: int = setting(
        "CADENCE_MAX_UNPACKED_BYTES", 200 * MIB, parsers.at_least(1), "largest plugin once unpacked, in bytes"
    )
    max_archive_entries: int = setting(
        "CADENCE_MAX_ARCHIVE_ENTRIES", 2000, parsers.at_least(1), "most files and folders in an archive"
    )
    max_compression_ratio: int = setting(
        "CADENCE_MAX_COMPRESSION_RATIO", 200, parsers.at_least(1), "highest ratio of unpacked to packed bytes"
    )
    kept_archive_seconds: float = setting(
        "CADENCE_KEPT_ARCHIVE_SECONDS",
        900.0,
        parsers.seconds,
        "how long an archive that was checked or failed can be installed without being sent again",
    )
    max_kept_archive_bytes: int = setting(
        "CADENCE_MAX_KEPT_ARCHIVE_BYTES", 256 * MIB, parsers.at_least(0), "what all of these may take, in bytes"
    )
    max_path_bytes: int = setting(
        "CADENCE_MAX_PATH_BYTES", 240, parsers.at_least(16), "longest path in an archive, in bytes"
    )
    max_path_depth: int = setting(
        "CADENCE_MAX_PATH_DEPTH", 16, parsers.at_least(1), "deepest path in an archive, in folders"
    )
    max_concurrent_installs: int = setting(
        "CADENCE_MAX_CONCURRENT_INSTALLS",
        2,
        parsers.at_least(1),
        "installs of different plugins that run side by side",
    )
    dependency_idle_seconds: float = setting(
        "CADENCE_DEPENDENCY_IDLE_SECONDS",
        120.0,
        parsers.seconds,
        "a dependency install that is silent for so long is ended",
    )
    wheelhouse: Path | None = setting(
        "CADENCE_WHEELHOUSE", None, parsers.path, "folder of wheels that are taken before any from an index"
    )
    offline: bool = setting(
        "CADENCE_OFFLINE",
        False,
        parsers.boolean,
        "whether dependencies are installed without any network, from `wheels/` in the archive, the wheelhouse and"
        " what was downloaded before",
    )
    allow_sdist: bool = setting(
        "CADENCE_ALLOW_SDIST",
        False,
        parsers.boolean,
        "whether packages without a wheel may be built from source, inside the sandbox",
    )
    load_seconds: float = setting("CADENCE_LOAD_SECONDS", 30.0, parsers.seconds, "time a plugin has to load")
    call_seconds: float = setting("CADENCE_CALL_SECONDS", 30.0, parsers.seconds, "time a tool call has to answer")
    max_message_bytes: int = setting(
        "CADENCE_MAX_MESSAGE_BYTES",
        16 * MIB,
        parsers.at_least(4096),
        "largest message between server and worker, in bytes",
    )
    sandbox: SandboxMode = setting(
        "CADENCE_SANDBOX",
        SandboxMode.PREFER,
        _sandbox_mode,
        "`prefer` confines plugins by what the host has and warns of what it lacks, `require` runs none where a layer"
        " is missing, `off` confines nothing",
    )
    plugin_memory_mb: int = setting(
        "CADENCE_PLUGIN_MEMORY_MB", 512, parsers.at_least(16), "memory a plugin may allocate, in MiB"
    )
    plugin_cpu_percent: int = setting(
        "CADENCE_PLUGIN_CPU_PERCENT", 100, parsers.at_least(1), "share of one processor a plugin gets, in percent"
    )
    plugin_processes: int = setting("CADENCE_PLUGIN_PROCESSES", 0, parsers.at_least(0), "processes a plugin may start")
    plugin_threads: int = setting("CADENCE_PLUGIN_THREADS", 128, parsers.at_least(8), "threads a plugin may run")
    plugin_open_files: int = setting(
        "CADENCE_PLUGIN_OPEN_FILES", 256, parsers.at_least(32), "files and sockets a plugin may have open"
    )
    plugin_data_mb: int = setting(
        "CADENCE_PLUGIN_DATA_MB", 1024, parsers.at_least(1), "files a plugin may keep, data and temporary ones, in MiB"
    )
    idle_seconds: float = setting(
        "CADENCE_IDLE_SECONDS",
        900.0,
        parsers.seconds,
        "a plugin that was not called for so long sleeps: it has no process until it is called again",
    )
    max_live_workers: int = setting(
        "CADENCE_MAX_LIVE_WORKERS",
        64,
        parsers.at_least(1),
        "plugins that are awake at once; the least recently used sleeps",
    )
    max_workers_memory_mb: int = setting(
        "CADENCE_MAX_WORKERS_MEMORY_MB",
        4096,
        parsers.at_least(16),
        "memory of all plugins together, in MiB; above it the least recently used sleep",
    )
    health_interval_seconds: float = setting(
        "CADENCE_HEALTH_INTERVAL_SECONDS",
        60.0,
        parsers.seconds,
        "time between two health checks of a plugin that is awake",
    )
    health_timeout_seconds: float = setting(
        "CADENCE_HEALTH_TIMEOUT_SECONDS", 10.0, parsers.seconds, "time a health check has to answer"
    )
    health_failures: int = setting(
        "CADENCE_HEALTH_FAILURES",
        3,
        parsers.at_least(1),
        "failed health checks in a row after which a version has failed",
    )
    probation_seconds: float = setting(
        "CADENCE_PROBATION_SECONDS",
        3600.0,
        parsers.seconds,
        "time for which a version that became active is new: where it fails, the one before it takes over",
    )
    probation_crashes: int = setting(
        "CADENCE_PROBATION_CRASHES",
        3,
        parsers.at_least(1),
        "crashes, missed deadlines and limits reached after which a new version is taken back",
    )
    history_days: int = setting(
        "CADENCE_HISTORY_DAYS", 30, parsers.at_least(1), "days for which health checks and events are kept"
    )
    deleted_retention_days: int = setting(
        "CADENCE_DELETED_RETENTION_DAYS", 7, parsers.at_least(0), "days in which a deleted version can be brought back"
    )
    safe_mode: bool = setting(
        "CADENCE_SAFE_MODE",
        False,
        parsers.boolean,
        "whether the server runs no plugin at all, so that one can be taken out",
    )
    metrics_max_plugins: int = setting(
        "CADENCE_METRICS_MAX_PLUGINS", 200, parsers.at_least(1), "plugins told apart in `/metrics`; the others are one"
    )
    max_readme_characters: int = setting(
        "CADENCE_MAX_README_CHARACTERS",
        40_000,
        parsers.at_least(1),
        "of a plugin's README, how much is shown, in characters; more than 512 KiB of the file is never read",
    )
    max_readme_signs: int = setting(
        "CADENCE_MAX_README_SIGNS",
        3000,
        parsers.at_least(1),
        "most lines, and most of any one sign of Markdown such as `*`, in what is shown of a README; one with more is"
        " shown as plain text, because rendering it could take seconds",
    )
    max_log_bytes: int = setting(
        "CADENCE_MAX_LOG_BYTES", MIB, parsers.at_least(4096), "log kept for each plugin, in bytes"
    )
    max_log_bytes_per_second: int = setting(
        "CADENCE_MAX_LOG_BYTES_PER_SECOND",
        16 * MIB,
        parsers.at_least(4096),
        "log read from each worker in a second, in bytes; one that writes more waits",
    )

    llm: str | None = setting(
        "CADENCE_LLM",
        None,
        parsers.model,
        "the language model of conversations, as `provider:model`; `offline` needs no key and no network (default:"
        " `offline`, or what `CADENCE_DEFAULT_LLM_PROVIDER` names)",
    )
    llm_base_url: str | None = setting(
        "CADENCE_LLM_BASE_URL",
        None,
        parsers.address,
        "address of the server that has the model of `CADENCE_LLM`, where that is not the provider's own: any server"
        " that speaks its language, with `openai:` any that is OpenAI-compatible",
        secret=True,
    )
    llm_timeout_seconds: float = setting(
        "CADENCE_LLM_TIMEOUT_SECONDS",
        60.0,
        parsers.seconds,
        "time a language model has to answer, and while it streams to go on",
    )
    llm_retries: int = setting(
        "CADENCE_LLM_RETRIES",
        2,
        parsers.at_least(0),
        "times a language model is asked again when it is busy, fails or cannot be reached",
    )
    llm_tracing: bool = setting(
        "CADENCE_LLM_TRACING",
        False,
        parsers.boolean,
        "whether conversations may be sent to the tracing service that the `LANGSMITH_…` variables name",
    )
    default_llm_provider: str | None = setting(
        "CADENCE_DEFAULT_LLM_PROVIDER",
        None,
        parsers.model_provider,
        "the provider of the language model where `CADENCE_LLM` is not set",
    )
    default_llm_temperature: float | None = setting(
        "CADENCE_DEFAULT_LLM_TEMPERATURE",
        None,
        parsers.temperature,
        "how freely the language model words what it says, from 0 to 2 (default: as its provider has it)",
    )
    openai_api_key: str | None = key("CADENCE_OPENAI_API_KEY", "OpenAI", "OPENAI_API_KEY")
    openai_default_model: str | None = usual_model("CADENCE_OPENAI_DEFAULT_MODEL", "OpenAI")
    anthropic_api_key: str | None = key("CADENCE_ANTHROPIC_API_KEY", "Anthropic", "ANTHROPIC_API_KEY")
    anthropic_default_model: str | None = usual_model("CADENCE_ANTHROPIC_DEFAULT_MODEL", "Anthropic")
    google_api_key: str | None = key("CADENCE_GOOGLE_API_KEY", "Google", "GOOGLE_API_KEY", "GEMINI_API_KEY")
    gemini_default_model: str | None = usual_model("CADENCE_GEMINI_DEFAULT_MODEL", "Google")
    mistral_api_key: str | None = key("CADENCE_MISTRAL_API_KEY", "Mistral", "MISTRAL_API_KEY")
    groq_api_key: str | None = key("CADENCE_GROQ_API_KEY", "Groq", "GROQ_API_KEY")
    deepseek_api_key: str | None = key("CADENCE_DEEPSEEK_API_KEY", "DeepSeek", "DEEPSEEK_API_KEY")
    openrouter_api_key: str | None = key("CADENCE_OPENROUTER_API_KEY", "OpenRouter", "OPENROUTER_API_KEY")
    azure_openai_api_key: str | None = key("CADENCE_AZURE_OPENAI_API_KEY", "Azure OpenAI", "AZURE_OPENAI_API_KEY")
    azure_openai_endpoint: str | None = setting(
        "CADENCE_AZURE_OPENAI_ENDPOINT",
        None,
        parsers.address,
        "address of Azure OpenAI (also `AZURE_OPENAI_ENDPOINT`)",
        also=("AZURE_OPENAI_ENDPOINT",),
        secret=True,
    )
    azure_openai_deployment: str | None = setting(
        "CADENCE_AZURE_OPENAI_DEPLOYMENT", None, parsers.model_name, "deployment of Azure OpenAI where none is named"
    )
    azure_openai_api_version: str = setting(
        "CADENCE_AZURE_OPENAI_API_VERSION", "2024-10-21", parsers.word, "version of Azure OpenAI's API"
    )
    max_agent_hops: int = setting(
        "CADENCE_MAX_AGENT_HOPS", 25, parsers.at_least(1), "times that one turn may hand over to an agent"
    )
    graph_recursion_limit: int = setting(
        "CADENCE_GRAPH_RECURSION_LIMIT", 50, parsers.at_least(5), "steps of the graph that one turn may take"
    )
    turn_seconds: float = setting("CADENCE_TURN_SECONDS", 300.0, parsers.seconds, "time a turn of a conversation has")
    max_chat_turns: int = setting(
        "CADENCE_MAX_CHAT_TURNS", 8, parsers.at_least(1), "conversations that answer at once; more of them wait"
    )
    chat_wait_seconds: float = setting(
        "CADENCE_CHAT_WAIT_SECONDS",
        5.0,
        parsers.seconds,
        "time a turn waits to begin, before the asker is told to come back",
    )
    max_chat_agents: int = setting(
        "CADENCE_MAX_CHAT_AGENTS",
        32,
        parsers.at_least(1),
        "plugins that one turn offers to the model; of more, those that fit the message best",
    )
    max_chat_characters: int = setting(
        "CADENCE_MAX_CHAT_CHARACTERS", 32_000, parsers.at_least(1), "longest message, in characters"
    )
    chat_history_characters: int = setting(
        "CADENCE_CHAT_HISTORY_CHARACTERS",
        60_000,
        parsers.at_least(1000),
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
    for known in fields(Settings):
        if variable := told(known.metadata, environ):
            try:
                values[known.name] = known.metadata["parse"](environ[variable])
            except ValueError as error:
                instead = "" if known.metadata["secret"] else f", not {environ[variable]!r}"
                raise ConfigurationError(f"{variable} {error}{instead}.") from None
    settings = Settings(**values)
    if settings.llm_base_url and not (settings.llm or settings.default_llm_provider):
        words = "CADENCE_LLM_BASE_URL needs CADENCE_LLM, which says what to ask of that server, such as openai:a-model."
        raise ConfigurationError(words)
    if settings.plugin_dir == settings.archive_dir:
        raise ConfigurationError("CADENCE_STORE_PLUGIN and CADENCE_STORE_ARCHIVED must be two different folders.")
    return settings
