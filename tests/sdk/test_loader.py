import sys
from pathlib import Path

import msgspec
import pytest

from cadence_sdk._runtime.loader import LoadedPlugin, LoadFailed, load
from cadence_sdk._runtime.report import Fault, TrialReport
from cadence_sdk.registry import get_plugin_registry
from tests.sdk.conftest import AGENT, INIT, PLUGIN, TOOLS, MakePlugin


def faults_of(path: Path, name: str = "demo_plugin", version: str | None = "1.0.0") -> dict[str, Fault]:
    with pytest.raises(LoadFailed) as caught:
        load(path, name, version)
    assert {fault.stage for fault in caught.value.faults} == {"trial"}
    return {fault.code: fault for fault in caught.value.faults}


def with_methods(*methods: str) -> str:
    """The demo plugin's class with more static methods, each given from ``def`` on."""
    return PLUGIN + "".join(f"\n    @staticmethod\n    {method}\n" for method in methods)


def loaded(path: Path) -> LoadedPlugin:
    return load(path, "demo_plugin", "1.0.0")


# What loads


def test_a_plugin_loads_and_its_tools_answer(make_plugin: MakePlugin) -> None:
    plugin = loaded(make_plugin())
    assert plugin.tools["double"].call({"number": "4"}) == 8
    assert plugin.report.metadata.name == "demo_plugin"
    assert plugin.report.tools[0].parameters["required"] == ["number"]
    assert plugin.report.parallel_tool_calls
    assert plugin.report.warnings == ()


def test_the_report_survives_the_wire(make_plugin: MakePlugin) -> None:
    report = loaded(make_plugin()).report
    assert msgspec.json.decode(msgspec.json.encode(report), type=TrialReport) == report


def test_a_plugin_may_import_itself_by_its_own_name(make_plugin: MakePlugin) -> None:
    path = make_plugin(plugin=PLUGIN.replace("from .agent", "from demo_plugin.agent"))
    assert loaded(path).tools


def test_a_plugin_may_register_through_a_function_of_its_own(make_plugin: MakePlugin) -> None:
    init = "def register():\n    from cadence_sdk import register_plugin\n    from .plugin import DemoPlugin\n"
    assert loaded(make_plugin(__init__=f"{init}    register_plugin(DemoPlugin)\nregister()\n")).tools


def test_a_hyphen_in_the_name_becomes_an_underscore_in_the_module(make_plugin: MakePlugin) -> None:
    assert load(make_plugin(), "demo-plugin", "1.0.0").module == "demo_plugin"


def test_a_plugin_may_import_its_modules_late(make_plugin: MakePlugin) -> None:
    agent = AGENT.replace("from .tools import tools\n", "").replace(
        "        return tools", "        from .tools import tools\n        return tools"
    )
    assert loaded(make_plugin(agent=agent)).tools


def test_no_bytecode_is_written(make_plugin: MakePlugin) -> None:
    path = make_plugin()
    sys.dont_write_bytecode = False
    loaded(path)
    assert not list(path.rglob("*.pyc"))


def test_what_was_registered_before_does_not_count(make_plugin: MakePlugin) -> None:
    path = make_plugin()
    loaded(path)
    sys.modules.pop("demo_plugin")
    loaded(path)
    assert len(get_plugin_registry()) == 1


def test_the_agent_cleans_up_when_the_plugin_is_closed(make_plugin: MakePlugin) -> None:
    agent = AGENT + "\n    def cleanup(self):\n        raise LookupError('cleaned')\n"
    with pytest.raises(LookupError, match="cleaned"):
        loaded(make_plugin(agent=agent)).close()


def test_versions_are_compared_as_versions(make_plugin: MakePlugin) -> None:
    assert load(make_plugin(), "demo_plugin", "1.0").report.metadata.version == "1.0.0"


def test_any_version_will_do_when_none_is_given(make_plugin: MakePlugin) -> None:
    assert load(make_plugin(), "demo_plugin", None).report.metadata.version == "1.0.0"


# What is only a warning


def test_another_name_in_the_metadata_is_a_warning(make_plugin: MakePlugin) -> None:
    plugin = loaded(make_plugin(plugin=PLUGIN.replace('name="demo_plugin"', 'name="demos"')))
    assert "'demos'" in plugin.report.warnings[0]
    assert "'demo_plugin'" in plugin.report.warnings[0]


@pytest.mark.parametrize("method", ["bind_model(self, model, callbacks=None)", "create_agent_node(self)"])
def test_what_the_server_cannot_honour_is_a_warning(make_plugin: MakePlugin, method: str) -> None:
    plugin = loaded(make_plugin(agent=f"{AGENT}\n    def {method}:\n        pass\n"))
    assert method.partition("(")[0] in plugin.report.warnings[0]


# What a plugin may not be named


@pytest.mark.parametrize("name", ["json", "sys", "pytest", "cadence_sdk"])
def test_the_name_of_another_module_is_refused(make_plugin: MakePlugin, name: str) -> None:
    module = sys.modules.get(name)
    fault = faults_of(make_plugin(), name)["module_name_taken"]
    assert repr(name) in fault.message
    assert sys.modules.get(name) is module


@pytest.mark.parametrize("name", ["my.plugin", "1st", "a b"])
def test_a_name_that_cannot_be_imported_is_refused(make_plugin: MakePlugin, name: str) -> None:
    assert set(faults_of(make_plugin(), name)) == {"module_name_invalid"}


# What happens at import


def test_an_exception_at_import_is_told_with_its_place(make_plugin: MakePlugin) -> None:
    fault = faults_of(make_plugin(tools="import json\n\n1 / 0\n"))["import_failed"]
    assert fault.message == "Importing demo_plugin raised ZeroDivisionError: division by zero (tools.py:3)."
    assert fault.culprit == "tools.py:3"


def test_the_place_is_in_the_plugin_even_when_python_raised_deeper(make_plugin: MakePlugin) -> None:
    fault = faults_of(make_plugin(tools="import json\njson.loads('{')\n"))["import_failed"]
    assert fault.culprit == "tools.py:2"


def test_a_syntax_error_is_told_with_its_place(make_plugin: MakePlugin) -> None:
    fault = faults_of(make_plugin(agent="x = 1\ndef broken(:\n"))["import_failed"]
    assert "SyntaxError" in fault.message
    assert fault.culprit == "agent.py:2"


def test_a_missing_module_is_to_be_declared(make_plugin: MakePlugin) -> None:
    fault = faults_of(make_plugin(tools="import no_such_package.part\n"))["missing_module"]
    assert "'no_such_package'" in fault.message
    assert "dependency" in fault.message
    assert fault.culprit == "tools.py:1"


def test_a_missing_file_of_the_plugin_is_no_dependency(make_plugin: MakePlugin) -> None:
    fault = faults_of(make_plugin(agent="from .nothing import x\n"))["missing_module"]
    assert "'demo_plugin.nothing'" in fault.message
    assert "dependency" not in fault.message


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys\nsys.exit(3)", "called sys.exit(3)"),
        ("raise SystemExit", "called sys.exit()"),
        ("class C:\n  def __str__(self): raise SystemExit\nraise SystemExit(C())", "called sys.exit((the text"),
        ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
        ("raise GeneratorExit", "raised GeneratorExit"),
        ("class E(BaseException):\n  def __str__(self): raise SystemExit\nraise E", "raised E: (the text"),
    ],
)
def test_what_would_end_a_process_is_a_fault(make_plugin: MakePlugin, code: str, words: str) -> None:
    assert words in faults_of(make_plugin(tools=code))["import_failed"].message


def test_a_failed_import_leaves_no_module_behind(make_plugin: MakePlugin) -> None:
    faults_of(make_plugin(tools="1 / 0"))
    assert not [name for name in sys.modules if name.partition(".")[0] == "demo_plugin"]


def test_a_missing_package_file_is_a_fault(tmp_path: Path) -> None:
    assert "import_failed" in faults_of(tmp_path)


# What is registered


def test_a_plugin_that_registers_nothing_is_refused(make_plugin: MakePlugin) -> None:
    assert (
        "register_plugin()"
        in faults_of(make_plugin(__init__="from .plugin import DemoPlugin"))["not_registered"].message
    )


def test_several_registered_plugins_are_named(make_plugin: MakePlugin) -> None:
    init = INIT + "class Other(DemoPlugin): pass\nregister_plugin(Other)\n"
    message = faults_of(make_plugin(__init__=init))["several_plugins"].message
    assert "DemoPlugin, Other" in message


def test_registering_the_same_class_twice_is_registering_it_once(make_plugin: MakePlugin) -> None:
    assert loaded(make_plugin(__init__=INIT + "register_plugin(DemoPlugin)\n")).tools


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        ("class DemoPlugin: pass", "does not inherit from BasePlugin"),
        ("from cadence_sdk import BasePlugin\nclass DemoPlugin(BasePlugin): pass", "does not implement"),
        ("DemoPlugin = 3", "not a int"),
        (PLUGIN.replace("@staticmethod\n    def create_agent()", "def create_agent(self)"), "static method"),
    ],
)
def test_what_is_no_plugin_class_is_refused_in_words(make_plugin: MakePlugin, plugin: str, words: str) -> None:
    fault = faults_of(make_plugin(plugin=plugin))["invalid_plugin_class"]
    assert words in fault.message
    assert fault.culprit == "__init__.py:4"


# What it says of itself


def test_a_version_other_than_the_archives_is_refused_with_both(make_plugin: MakePlugin) -> None:
    message = faults_of(make_plugin(), version="2.0.0")["version_mismatch"].message
    assert "'1.0.0'" in message
    assert "'2.0.0'" in message


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ("{'name': 'demo_plugin'}", "dict instead of a PluginMetadata"),
        ("PluginMetadata(name='', version='1.0.0', description='x')", "name must be"),
        ("PluginMetadata(name='x', version=1, description='x')", "version must be"),
        ("PluginMetadata(name='x', version='1.0.0', description='  ')", "description must be"),
        ("PluginMetadata('x', '1.0.0', 'x', capabilities='all')", "capabilities must be"),
        ("PluginMetadata('x', '1.0.0', 'x', dependencies=[1])", "dependencies must be"),
        ("PluginMetadata('x', '1.0.0', 'x', llm_requirements=[])", "llm_requirements must be"),
        ("PluginMetadata('x', '1.0.0', 'x', agent_type='boss')", "'boss'"),
        ("PluginMetadata('x', '1.0.0', 'x', agent_type=[])", "agent_type"),
        ("PluginMetadata('x', '1.0.0', 'x', response_suggestion=1)", "response_suggestion must be"),
        ("PluginMetadata('x', '1.0.0', 'x', response_schema=int)", "response_schema"),
    ],
)
def test_each_wrong_field_of_the_metadata_is_named(make_plugin: MakePlugin, metadata: str, words: str) -> None:
    plugin = PLUGIN.replace('PluginMetadata(name="demo_plugin", version="1.0.0", description="A demo")', metadata)
    plugin = plugin.replace("DemoAgent(DemoPlugin.get_metadata())", "DemoAgent(None)")
    assert words in faults_of(make_plugin(plugin=plugin))["invalid_metadata"].message


@pytest.mark.parametrize("value", ["{'a': object()}", "{'a': '\\ud800'}", "{(1,): 2}"])
def test_metadata_that_is_no_json_is_refused(make_plugin: MakePlugin, value: str) -> None:
    plugin = PLUGIN.replace('description="A demo"', f'description="A demo", llm_requirements={value}')
    assert "report_not_json" in faults_of(make_plugin(plugin=plugin))


def test_a_class_as_response_schema_arrives_as_a_json_schema(make_plugin: MakePlugin) -> None:
    plugin = PLUGIN.replace('description="A demo"', 'description="A demo", response_schema=Answer').replace(
        "class DemoPlugin",
        "from typing import Annotated, TypedDict\nfrom cadence_sdk.decorators import list_schema\n"
        "@list_schema\nclass Answer(TypedDict):\n    used: Annotated[list[str], ..., 'what was used']\n\n"
        "class DemoPlugin",
    )
    schema = loaded(make_plugin(plugin=plugin)).report.metadata.response_schema
    assert schema is not None
    assert schema["type"] == "array"
    assert schema["items"]["properties"]["used"]["description"] == "what was used"


def test_missing_dependencies_are_faults_in_the_plugins_words(make_plugin: MakePlugin) -> None:
    path = make_plugin(plugin=with_methods("def validate_dependencies(): return ['No key for the weather']"))
    assert faults_of(path)["dependency_missing"].message == "No key for the weather"


def test_dependencies_that_are_no_list_are_refused(make_plugin: MakePlugin) -> None:
    path = make_plugin(plugin=with_methods("def validate_dependencies(): return 'none'"))
    assert "list of strings" in faults_of(path)["dependency_missing"].message


# Its health


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return {'healthy': False, 'error': 'no sensor'}", "no sensor"),
        ("return {'healthy': False, 'details': 'it rains'}", "it rains"),
        ("return {'status': 'ok'}", "no 'healthy'"),
        ("return None", "NoneType instead of a dict"),
        ("return {'healthy': 'yes'}", "no 'healthy'"),
        ("raise OSError('down')", "OSError: down"),
        ("raise SystemExit(1)", "SystemExit"),
    ],
)
def test_an_unhealthy_plugin_is_refused_with_the_reason(make_plugin: MakePlugin, body: str, words: str) -> None:
    fault = faults_of(make_plugin(plugin=with_methods(f"def health_check(): {body}")))["unhealthy"]
    assert words in fault.message


def test_health_is_data_whatever_the_check_returns(make_plugin: MakePlugin) -> None:
    body = "return {'healthy': True, 'details': object, 'checks': {1: {2, 2}, 'x': float('nan')}, 'error': 5}"
    report = loaded(make_plugin(plugin=with_methods(f"def health_check(): {body}"))).health()
    assert report.healthy
    assert report.error == "5"
    assert report.ms >= 0
    msgspec.json.encode(report)


# Its agent and tools


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("return object()", "object instead of a BaseAgent"),
    ],
)
def test_an_agent_that_cannot_be_made_is_a_fault(make_plugin: MakePlugin, code: str, words: str) -> None:
    plugin = PLUGIN.replace("return DemoAgent(DemoPlugin.get_metadata())", code)
    faults = faults_of(make_plugin(plugin=plugin))
    assert words in next(iter(faults.values())).message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("return tools", "return (t for t in tools)"), "generator instead of a list"),
        (("return tools", "return [len]"), "len"),
        (("return tools", "return tools * 2"), "Two tools are named 'double'"),
        (("return tools", "1 / 0"), "ZeroDivisionError"),
        (('return "You are a demo."', "return 5"), "int instead of a string"),
        (('return "You are a demo."', "1 / 0"), "agent.py:10"),
        (("def get_tools", "def initialize(self): exit(2)\n    def get_tools"), "sys.exit(2)"),
    ],
)
def test_an_agent_that_does_not_keep_its_promises_is_refused(
    make_plugin: MakePlugin, change: tuple[str, str], words: str
) -> None:
    faults = faults_of(make_plugin(agent=AGENT.replace(*change)))
    assert words in next(iter(faults.values())).message


def test_a_tool_without_a_schema_is_refused_by_name(make_plugin: MakePlugin) -> None:
    tools = TOOLS.replace("import tool\n", "import tool\nclass Odd: pass\n").replace("number: int", "number: Odd")
    fault = faults_of(make_plugin(tools=tools))["invalid_tool"]
    assert "'double'" in fault.message


def test_a_plugin_without_tools_is_accepted(make_plugin: MakePlugin) -> None:
    assert loaded(make_plugin(agent=AGENT.replace("return tools", "return []"))).tools == {}


def test_objects_that_fight_back_when_looked_at_are_faults(make_plugin: MakePlugin) -> None:
    wild = "class Wild(list):\n    def __iter__(self): raise SystemExit(4)\n"
    agent = wild + AGENT.replace("return tools", "return Wild()")
    assert "sys.exit(4)" in faults_of(make_plugin(agent=agent))["load_failed"].message


def test_every_fault_is_found_and_not_only_the_first(make_plugin: MakePlugin) -> None:
    plugin = with_methods(
        "def validate_dependencies(): return ['one', 'two']", "def health_check(): return {'healthy': False}"
    )
    agent = AGENT.replace("return tools", "return [len]").replace('return "You are a demo."', "return 5")
    with pytest.raises(LoadFailed) as caught:
        load(make_plugin(plugin=plugin, agent=agent), "demo_plugin", "9.9")
    assert sorted(fault.code for fault in caught.value.faults) == [
        "dependency_missing",
        "dependency_missing",
        "invalid_agent",
        "invalid_tool",
        "unhealthy",
        "version_mismatch",
    ]
