"""The settings: each is read from its variable, has the default that the README tells, and refuses what is wrong."""

import dataclasses
import re
from pathlib import Path

import pytest

from cadence.config import MIB, SandboxMode, Settings, load_settings
from cadence.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
FIELDS = {field.metadata["variable"]: field for field in dataclasses.fields(Settings)}

DEFAULTS = {
    "CADENCE_INSTANCE": Path("instance").absolute(),
    "CADENCE_STORE_PLUGIN": None,
    "CADENCE_STORE_ARCHIVED": None,
    "CADENCE_ENABLE_DIRECTORY_PLUGINS": True,
    "CADENCE_HOST": "127.0.0.1",
    "CADENCE_PORT": 8000,
    "CADENCE_THREADS": 16,
    "CADENCE_MAX_UPLOAD_BYTES": 50 * MIB,
    "CADENCE_MAX_UNPACKED_BYTES": 200 * MIB,
    "CADENCE_MAX_ARCHIVE_ENTRIES": 2000,
    "CADENCE_MAX_COMPRESSION_RATIO": 200,
    "CADENCE_KEPT_ARCHIVE_SECONDS": 900.0,
    "CADENCE_MAX_KEPT_ARCHIVE_BYTES": 256 * MIB,
    "CADENCE_MAX_PATH_BYTES": 240,
    "CADENCE_MAX_PATH_DEPTH": 16,
    "CADENCE_MAX_CONCURRENT_INSTALLS": 2,
    "CADENCE_DEPENDENCY_IDLE_SECONDS": 120.0,
    "CADENCE_WHEELHOUSE": None,
    "CADENCE_OFFLINE": False,
    "CADENCE_ALLOW_SDIST": False,
    "CADENCE_LOAD_SECONDS": 30.0,
    "CADENCE_CALL_SECONDS": 30.0,
    "CADENCE_MAX_MESSAGE_BYTES": 16 * MIB,
    "CADENCE_SANDBOX": SandboxMode.PREFER,
    "CADENCE_PLUGIN_MEMORY_MB": 512,
    "CADENCE_PLUGIN_CPU_PERCENT": 100,
    "CADENCE_PLUGIN_PROCESSES": 0,
    "CADENCE_PLUGIN_THREADS": 128,
    "CADENCE_PLUGIN_OPEN_FILES": 256,
    "CADENCE_PLUGIN_DATA_MB": 1024,
    "CADENCE_IDLE_SECONDS": 900.0,
    "CADENCE_MAX_LIVE_WORKERS": 64,
    "CADENCE_MAX_WORKERS_MEMORY_MB": 4096,
    "CADENCE_HEALTH_INTERVAL_SECONDS": 60.0,
    "CADENCE_HEALTH_TIMEOUT_SECONDS": 10.0,
    "CADENCE_HEALTH_FAILURES": 3,
    "CADENCE_PROBATION_SECONDS": 3600.0,
    "CADENCE_PROBATION_CRASHES": 3,
    "CADENCE_HISTORY_DAYS": 30,
    "CADENCE_DELETED_RETENTION_DAYS": 7,
    "CADENCE_SAFE_MODE": False,
    "CADENCE_METRICS_MAX_PLUGINS": 200,
    "CADENCE_MAX_README_CHARACTERS": 40_000,
    "CADENCE_MAX_README_SIGNS": 3000,
    "CADENCE_MAX_LOG_BYTES": MIB,
    "CADENCE_MAX_LOG_BYTES_PER_SECOND": 16 * MIB,
    "CADENCE_LLM": None,
    "CADENCE_LLM_BASE_URL": None,
    "CADENCE_LLM_TIMEOUT_SECONDS": 60.0,
    "CADENCE_LLM_RETRIES": 2,
    "CADENCE_LLM_TRACING": False,
    "CADENCE_DEFAULT_LLM_PROVIDER": None,
    "CADENCE_DEFAULT_LLM_TEMPERATURE": None,
    "CADENCE_OPENAI_API_KEY": None,
    "CADENCE_OPENAI_DEFAULT_MODEL": None,
    "CADENCE_ANTHROPIC_API_KEY": None,
    "CADENCE_ANTHROPIC_DEFAULT_MODEL": None,
    "CADENCE_GOOGLE_API_KEY": None,
    "CADENCE_GEMINI_DEFAULT_MODEL": None,
    "CADENCE_MISTRAL_API_KEY": None,
    "CADENCE_GROQ_API_KEY": None,
    "CADENCE_DEEPSEEK_API_KEY": None,
    "CADENCE_OPENROUTER_API_KEY": None,
    "CADENCE_AZURE_OPENAI_API_KEY": None,
    "CADENCE_AZURE_OPENAI_ENDPOINT": None,
    "CADENCE_AZURE_OPENAI_DEPLOYMENT": None,
    "CADENCE_AZURE_OPENAI_API_VERSION": "2024-10-21",
    "CADENCE_MAX_AGENT_HOPS": 25,
    "CADENCE_GRAPH_RECURSION_LIMIT": 50,
    "CADENCE_TURN_SECONDS": 300.0,
    "CADENCE_MAX_CHAT_TURNS": 8,
    "CADENCE_CHAT_WAIT_SECONDS": 5.0,
    "CADENCE_MAX_CHAT_AGENTS": 32,
    "CADENCE_MAX_CHAT_CHARACTERS": 32_000,
    "CADENCE_CHAT_HISTORY_CHARACTERS": 60_000,
}
TEXTS = {
    "CADENCE_INSTANCE": ("/srv/cadence", Path("/srv/cadence")),
    "CADENCE_STORE_PLUGIN": ("./store_plugin", Path("store_plugin").absolute()),
    "CADENCE_STORE_ARCHIVED": ("~/archived", Path("~/archived").expanduser()),
    "CADENCE_ENABLE_DIRECTORY_PLUGINS": ("False", False),
    "CADENCE_HOST": (" localhost ", "localhost"),
    "CADENCE_PORT": ("65535", 65535),
    "CADENCE_WHEELHOUSE": ("/wheels", Path("/wheels")),
    "CADENCE_OFFLINE": ("true", True),
    "CADENCE_ALLOW_SDIST": ("yes", True),
    "CADENCE_LOAD_SECONDS": ("0.5", 0.5),
    "CADENCE_CALL_SECONDS": ("0.5", 0.5),
    "CADENCE_DEPENDENCY_IDLE_SECONDS": ("7", 7.0),
    "CADENCE_SANDBOX": (" Require", SandboxMode.REQUIRE),
    "CADENCE_SAFE_MODE": ("1", True),
    "CADENCE_LLM": (" OpenAI:gpt-4.1", "openai:gpt-4.1"),
    "CADENCE_LLM_TRACING": ("on", True),
    "CADENCE_DEFAULT_LLM_PROVIDER": ("azure", "azure_openai"),
    "CADENCE_DEFAULT_LLM_TEMPERATURE": ("0.5", 0.5),
    "CADENCE_OPENAI_DEFAULT_MODEL": (" gpt-4o", "gpt-4o"),
    "CADENCE_AZURE_OPENAI_ENDPOINT": ("https://127.0.0.1/", "https://127.0.0.1"),
}
NUMBERS = sorted(name for name in DEFAULTS if isinstance(DEFAULTS[name], int) and name not in TEXTS)
#: Of these none at all is a choice too.
MAY_BE_NONE = {
    *("CADENCE_PLUGIN_PROCESSES", "CADENCE_DELETED_RETENTION_DAYS", "CADENCE_LLM_RETRIES"),
    "CADENCE_MAX_KEPT_ARCHIVE_BYTES",
}
SECONDS = sorted(name for name in DEFAULTS if name.endswith("_SECONDS"))
FOLDERS = ("CADENCE_INSTANCE", "CADENCE_STORE_PLUGIN", "CADENCE_STORE_ARCHIVED")


def value(settings: Settings, variable: str) -> object:
    return getattr(settings, FIELDS[variable].name)


def refusal(variable: str, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({variable: text})
    (sentence,) = caught.value.sentences
    return sentence


def test_every_variable_is_named_for_its_setting() -> None:
    assert FIELDS.keys() == DEFAULTS.keys()
    for variable, field in FIELDS.items():
        assert variable == f"CADENCE_{field.name.upper()}"


@pytest.mark.parametrize("variable", DEFAULTS)
def test_a_setting_that_is_not_given_has_its_default(variable: str) -> None:
    assert value(load_settings({}), variable) == DEFAULTS[variable]


@pytest.mark.parametrize("variable", TEXTS)
def test_a_setting_is_read_from_its_variable(variable: str) -> None:
    text, expected = TEXTS[variable]
    assert value(load_settings({variable: text}), variable) == expected


@pytest.mark.parametrize("variable", NUMBERS)
def test_a_number_is_read_from_its_variable(variable: str) -> None:
    assert value(load_settings({variable: "4096"}), variable) == 4096


@pytest.mark.parametrize("text", ["true", "1", "YES", " on "])
def test_a_switch_can_be_turned_on(text: str) -> None:
    assert load_settings({"CADENCE_ENABLE_DIRECTORY_PLUGINS": text}).enable_directory_plugins is True


@pytest.mark.parametrize("text", ["false", "0", "No", "off"])
def test_a_switch_can_be_turned_off(text: str) -> None:
    assert load_settings({"CADENCE_ENABLE_DIRECTORY_PLUGINS": text}).enable_directory_plugins is False


@pytest.mark.parametrize("variable", [*NUMBERS, "CADENCE_PORT"])
@pytest.mark.parametrize("text", ["", "many", "1.5", "-1", "0x10", "1e3"])
def test_a_wrong_number_is_refused_in_a_sentence_that_names_the_variable(variable: str, text: str) -> None:
    sentence = refusal(variable, text)
    assert re.fullmatch(rf"{variable} must be .*, not {re.escape(repr(text))}\.", sentence)


@pytest.mark.parametrize("variable", [*sorted({*NUMBERS} - MAY_BE_NONE), "CADENCE_PORT"])
def test_nothing_can_be_set_to_none_where_some_is_needed(variable: str) -> None:
    assert re.fullmatch(rf"{variable} must be .*, not '0'\.", refusal(variable, "0"))


@pytest.mark.parametrize("variable", SECONDS)
@pytest.mark.parametrize("text", ["", "soon", "0", "-1", "nan", "inf", "1e999"])
def test_a_wrong_time_is_refused_in_a_sentence_that_names_the_variable(variable: str, text: str) -> None:
    assert refusal(variable, text).startswith(f"{variable} must be ")


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("CADENCE_ENABLE_DIRECTORY_PLUGINS", "perhaps"),
        ("CADENCE_ENABLE_DIRECTORY_PLUGINS", ""),
        ("CADENCE_PORT", "65536"),
        ("CADENCE_PORT", "9" * 5000),
        *((folder, " ") for folder in FOLDERS),
    ],
)
def test_any_other_wrong_value_is_refused_too(variable: str, text: str) -> None:
    assert refusal(variable, text).startswith(f"{variable} must ")


def test_one_folder_for_plugins_and_archives_is_refused() -> None:
    """Each install stages in both, so that the second staging would meet the first."""
    with pytest.raises(ConfigurationError, match="CADENCE_STORE_ARCHIVED"):
        load_settings({"CADENCE_STORE_PLUGIN": "/srv/store", "CADENCE_STORE_ARCHIVED": "/srv/store"})


def test_the_stores_lie_in_the_instance_unless_said_otherwise() -> None:
    settings = load_settings({"CADENCE_INSTANCE": "/srv/cadence"})
    assert settings.plugin_dir == Path("/srv/cadence/store_plugin")
    assert settings.archive_dir == Path("/srv/cadence/store_archived")
    moved = load_settings({"CADENCE_STORE_PLUGIN": "/srv/one", "CADENCE_STORE_ARCHIVED": "/srv/other"})
    assert (moved.plugin_dir, moved.archive_dir) == (Path("/srv/one"), Path("/srv/other"))


def test_a_file_named_env_is_read_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in DEFAULTS:
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / ".env").write_text('CADENCE_PORT=8100\nCADENCE_THREADS="3"\n# a remark\nOTHER=x\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CADENCE_THREADS", "5")
    settings = load_settings()
    assert (settings.port, settings.threads) == (8100, 5)


def test_a_wrong_value_in_the_file_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CADENCE_PORT", raising=False)
    (tmp_path / "settings").write_text("CADENCE_PORT=http\n")
    with pytest.raises(ConfigurationError, match="CADENCE_PORT must be a whole number, not 'http'"):
        load_settings(dotenv=tmp_path / "settings")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_settings({}).port = 1  # type: ignore[misc]  # that is what is tested


def test_the_readme_lists_exactly_the_settings_with_their_defaults() -> None:
    rows = re.findall(r"^\| `(CADENCE_\w+)` \| (.*?) \| (.*) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert [variable for variable, _, _ in rows] == list(FIELDS)
    for variable, default, words in rows:
        assert words == FIELDS[variable].metadata["words"]
        assert told(variable, DEFAULTS[variable]) in default


def told(variable: str, default: object) -> str:
    """How the README writes a default."""
    if default is None:
        return "in the instance" if "STORE" in variable else "none"
    if isinstance(default, Path):
        return f"`./{default.name}`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}"
