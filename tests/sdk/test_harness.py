"""``cadence_sdk.testing``, as a plugin's author uses it."""

import sys

import pytest

from cadence_sdk.registry import get_plugin_registry
from cadence_sdk.testing import ArgumentsInvalid, PluginInvalid, load_plugin
from tests.awaiting import run_async
from tests.sdk.conftest import AGENT, PLUGIN, TOOLS, MakePlugin

ASYNC_TOOLS = TOOLS.replace("def double", "async def double")


def test_a_plugin_is_loaded_called_and_put_down(make_plugin: MakePlugin) -> None:
    with load_plugin(make_plugin("demo_plugin-1.0.0")) as plugin:
        assert plugin.metadata.version == "1.0.0"
        assert plugin.tools == ["double"]
        assert plugin.warnings == []
        assert plugin.call("double", number=2) == 4
        assert plugin.health_check().healthy
    assert not [name for name in sys.modules if name.startswith("demo_plugin")]
    assert len(get_plugin_registry()) == 0


def test_an_async_tool_is_called_with_and_without_a_loop(make_plugin: MakePlugin) -> None:
    with load_plugin(make_plugin(tools=ASYNC_TOOLS)) as plugin:
        assert plugin.call("double", number=2) == 4
        assert run_async(plugin.acall("double", number=3)) == 6


def test_results_are_what_a_client_sees(make_plugin: MakePlugin) -> None:
    with load_plugin(make_plugin(tools=TOOLS.replace("return number * 2", "return {'a': (1, 2), 3: {4}}"))) as plugin:
        assert plugin.call("double", number=2) == {"a": [1, 2], "3": [4]}


def test_two_versions_are_loaded_one_after_the_other(make_plugin: MakePlugin) -> None:
    old = make_plugin("demo_plugin-1.0.0")
    new = make_plugin("demo_plugin-1.1.0", plugin=PLUGIN.replace("1.0.0", "1.1.0"), tools=TOOLS.replace("* 2", "* 20"))
    assert load_plugin(old).call("double", number=1) == 2
    assert load_plugin(new).call("double", number=1) == 20
    with load_plugin(old) as again:
        assert again.call("double", number=1) == 2


def test_a_changed_file_is_read_again(make_plugin: MakePlugin) -> None:
    path = make_plugin()
    with load_plugin(path) as plugin:
        assert plugin.call("double", number=1) == 2
    (path / "late.py").write_text("factor = 3\n")
    (path / "tools.py").write_text(
        TOOLS.replace("number * 2", "number * factor").replace("@tool", "from .late import factor\n@tool")
    )
    with load_plugin(path) as plugin:
        assert plugin.call("double", number=1) == 3


def test_a_package_that_pytest_imported_itself_is_set_aside(
    make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_plugin()
    monkeypatch.syspath_prepend(path.parent)
    import demo_plugin  # type: ignore[import-not-found]  # written a line ago

    with load_plugin(path) as plugin:
        assert plugin.call("double", number=1) == 2
        assert sys.modules["demo_plugin"] is not demo_plugin
    assert sys.modules["demo_plugin"] is demo_plugin


def test_what_was_registered_before_is_registered_again(make_plugin: MakePlugin) -> None:
    with load_plugin(make_plugin()):
        before = [contract.plugin_class for contract in get_plugin_registry()]
        other = type("Other", (before[0],), {})
        get_plugin_registry().clear_all()
        get_plugin_registry().register(other)
        with load_plugin(make_plugin("demo-plugin-2", plugin=PLUGIN.replace("1.0.0", "2"))):
            assert [contract.plugin_class for contract in get_plugin_registry()] != [other]
    assert len(get_plugin_registry()) == 0


def test_an_invalid_plugin_says_everything_that_is_wrong(make_plugin: MakePlugin) -> None:
    path = make_plugin("demo_plugin-3.0.0", agent=AGENT.replace('"You are a demo."', "7"))
    with pytest.raises(PluginInvalid) as caught:
        load_plugin(path)
    assert str(caught.value).startswith(f"{path} is not a valid plugin:\n- ")
    assert {fault.code for fault in caught.value.faults} == {"version_mismatch", "invalid_agent"}
    assert "demo_plugin" not in sys.modules


def test_wrong_arguments_and_unknown_tools_are_told_apart(make_plugin: MakePlugin) -> None:
    with load_plugin(make_plugin()) as plugin:
        with pytest.raises(ArgumentsInvalid, match="`number`"):
            plugin.call("double", number="x")
        with pytest.raises(LookupError, match="there are double"):
            plugin.call("triple", number=1)


def test_a_name_with_hyphens_and_a_pre_release_is_split_where_the_version_begins(make_plugin: MakePlugin) -> None:
    path = make_plugin("demo-plugin-1.0.0-rc.1", plugin=PLUGIN.replace("1.0.0", "1.0.0rc1"))
    with load_plugin(path) as plugin:
        assert plugin.metadata.version == "1.0.0rc1"


def test_closing_twice_does_nothing(make_plugin: MakePlugin) -> None:
    plugin = load_plugin(make_plugin())
    plugin.close()
    plugin.close()


def test_the_process_is_left_as_it_was_even_when_the_cleanup_fails(make_plugin: MakePlugin) -> None:
    plugin = load_plugin(make_plugin(agent=f"{AGENT}\n    def cleanup(self): raise OSError('stuck')\n"))
    with pytest.raises(OSError, match="stuck"):
        plugin.close()
    assert "demo_plugin" not in sys.modules
