"""What a plugin asks for in its metadata: checked where metadata is checked, by its author and by the server."""

from pathlib import Path
from typing import Any

import pytest

from cadence.errors import ValidationFailed
from cadence.intake.inspection import inspect
from cadence.intake.metadata import PARAMETERS
from cadence.model import PluginRef, Requests
from cadence_sdk import PluginMetadata
from cadence_sdk._runtime.loader import LoadFailed, load
from cadence_sdk.testing import load_plugin
from cadence_sdk.utils.validation import metadata_errors
from tests.building import plugin_files, write_folder
from tests.grants.plugins import NEEDS_KEY, asking

REF = PluginRef("demo_plugin", "1.0.0")


def test_the_new_fields_come_last_so_that_older_plugins_mean_what_they_meant() -> None:
    assert tuple(PluginMetadata.__dataclass_fields__) == PARAMETERS
    assert PARAMETERS[-3:] == ("sdk_version", "network", "memory_mb")
    metadata = PluginMetadata("demo", "1.0", "For tests")
    assert (metadata.network, metadata.memory_mb, metadata_errors(metadata)) == ([], None, [])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"network": "api.example.com:443"}, "network must be a list of strings"),
        ({"network": [1]}, "network must be a list of strings"),
        ({"network": ["api.example.com"]}, "network: 'api.example.com' is not an endpoint"),
        ({"memory_mb": 0}, "memory_mb must be a whole number"),
        ({"memory_mb": True}, "memory_mb must be a whole number"),
        ({"memory_mb": "1 GiB"}, "memory_mb must be a whole number"),
    ],
)
def test_what_cannot_be_asked_for_is_an_error_of_the_metadata(fields: dict[str, Any], words: str) -> None:
    (error,) = metadata_errors(PluginMetadata("demo", "1.0", "For tests", **fields))
    assert words in error


def test_they_reach_the_report(tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path / REF.slug, asking(plugin_files(), network='["api.example.com:443"]', memory_mb="700")
    )
    with load_plugin(folder) as plugin:
        assert (plugin.metadata.network, plugin.metadata.memory_mb) == (("api.example.com:443",), 700)


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"network": '"a:1"'}, "network must be a list of strings"), ({"memory_mb": '"1"'}, "memory_mb must be a whole")],
)
def test_wrong_literals_are_found_without_running_the_plugin(
    fields: dict[str, str], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ValidationFailed, match=words):
        inspect(write_folder(tmp_path, asking(plugin_files(), **fields)), REF, "1.4.0")


@pytest.mark.parametrize(
    ("fields", "requests"),
    [
        ({"network": '["a:1", "b:2"]', "memory_mb": "700"}, Requests(("a:1", "b:2"), 700)),
        ({"network": '["a:1"]', "memory_mb": "None"}, Requests(("a:1",))),
        ({"network": '[":".join("a1")]', "memory_mb": "2 ** 10"}, Requests()),
        ({}, Requests()),
    ],
)
def test_what_is_asked_for_in_literals_is_known_without_running_the_plugin(
    fields: dict[str, str], requests: Requests, tmp_path: Path
) -> None:
    assert inspect(write_folder(tmp_path, asking(plugin_files(), **fields)), REF, "1.4.0").requests == requests


def test_a_plugin_that_cannot_be_loaded_has_said_what_it_asks_for(tmp_path: Path) -> None:
    unhealthy = plugin_files(plugin_body=NEEDS_KEY["health"])
    with pytest.raises(LoadFailed) as caught:
        load(write_folder(tmp_path / "said", asking(unhealthy, network='["a:1"]', memory_mb="700")), "demo_plugin")
    assert caught.value.requests == Requests(("a:1",), 700)
    with pytest.raises(LoadFailed) as caught:
        load(write_folder(tmp_path / "not", plugin_files(tools="raise RuntimeError")), "demo_plugin")
    assert caught.value.requests is None
