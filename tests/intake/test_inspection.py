import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cadence.errors import ValidationFailed
from cadence.intake.inspection import inspect
from cadence.model import Fault, Manifest, PluginRef

REF = PluginRef("math_plugin", "1.0.0")
PLUGIN = """
from cadence_sdk import BaseAgent, BasePlugin, PluginMetadata
from .agent import MathAgent

class MathPlugin(BasePlugin):
    @staticmethod
    def get_metadata() -> PluginMetadata:
        return PluginMetadata(name="math_plugin", version="1.0.0", description="Adds", capabilities=["add"])

    @staticmethod
    def create_agent() -> BaseAgent:
        return MathAgent(MathPlugin.get_metadata())
"""
SOURCES = {
    "__init__.py": "from cadence_sdk import register_plugin as r\nfrom .plugin import MathPlugin\nr(MathPlugin)\n",
    "plugin.py": PLUGIN,
    "agent.py": "from cadence_sdk import BaseAgent\nclass MathAgent(BaseAgent):\n    pass\n",
    "tools.py": "from cadence_sdk import tool\n@tool\ndef add(a: int, b: int) -> int:\n    'Add.'\n    return a + b\n",
}

Inspect = Callable[..., Manifest]
Faults = Callable[..., tuple[Fault, ...]]


@pytest.fixture
def inspected(tmp_path: Path) -> Inspect:
    """Inspect a good plugin with some of its files replaced; ``None`` takes one away."""

    def run(files: dict[str, str | bytes | None] | None = None, ref: PluginRef = REF) -> Manifest:
        for name, source in (SOURCES | (files or {})).items():
            if source is not None:
                path = tmp_path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(source.encode() if isinstance(source, str) else source)
        return inspect(tmp_path, ref, "1.4.0")

    return run


@pytest.fixture
def faults(inspected: Inspect) -> Faults:
    def run(files: dict[str, str | bytes | None], ref: PluginRef = REF) -> tuple[Fault, ...]:
        with pytest.raises(ValidationFailed) as caught:
            inspected(files, ref)
        assert caught.value.ref == ref
        assert all(fault.stage == "inspect" for fault in caught.value.faults)
        return caught.value.faults

    return run


def codes(found: tuple[Fault, ...]) -> list[str]:
    return [fault.code for fault in found]


def test_a_good_plugin_passes(inspected: Inspect) -> None:
    assert inspected() == Manifest(REF)


@pytest.mark.parametrize("name", SOURCES)
def test_a_missing_file_is_told_in_the_words_of_the_contract(faults: Faults, name: str) -> None:
    found = [fault for fault in faults({name: None}) if fault.code == "missing_file"]
    assert found == [Fault("inspect", "missing_file", f"Missing required file: {name}", name)]


def test_each_module_may_be_a_package(inspected: Inspect) -> None:
    moved = {
        f"{name}/core.py": SOURCES[f"{name}.py"].replace("from .agent", "from ..agent") for name in ("plugin", "agent")
    }
    classes = {"plugin/__init__.py": "from .core import MathPlugin", "agent/__init__.py": "from .core import *"}
    gone = {"plugin.py": None, "agent.py": None, "tools.py": None}
    inspected({**moved, **classes, **gone, "tools/__init__.py": ""})


def test_every_fault_is_told_at_once_and_always_in_the_same_order(faults: Faults) -> None:
    files: dict[str, str | bytes | None] = {
        "__init__.py": "from . import plugin\n",
        "agent.py": "class MathAgent: pass\n",
        "tools.py": None,
        "plugin.py": PLUGIN.replace('"1.0.0"', '"2.0.0"').replace(
            '["add"]', '"add", dependencies=["a b", "x @ http://h/x"]'
        ),
        "pyproject.toml": "[project\n",
    }
    expected = [
        "missing_file",
        "not_registered",
        "missing_class",
        "invalid_metadata",
        "version_mismatch",
        "invalid_pyproject",
        "invalid_requirement",
        "direct_requirement",
    ]
    assert codes(faults(files)) == expected


@pytest.mark.parametrize(
    "source",
    [
        "from cadence_sdk.registry import register_plugin as r\nfrom .plugin import MathPlugin\nr(MathPlugin)",
        "import cadence_sdk\nfrom .plugin import MathPlugin\ncadence_sdk.register_plugin(MathPlugin)",
        "import cadence_sdk as sdk\nfrom .plugin import MathPlugin\nsdk.register_plugin(MathPlugin)",
        "import cadence_sdk.registry\nfrom .plugin import MathPlugin\ncadence_sdk.registry.register_plugin(MathPlugin)",
        "from cadence_sdk import *\nfrom .plugin import MathPlugin\nregister_plugin(MathPlugin)",
        "def setup():\n from cadence_sdk import register_plugin\n from .plugin import P\n register_plugin(P)\nsetup()",
        "from cadence_sdk import register_plugin\nif True:\n try:\n  register_plugin(object)\n except Exception: pass",
        "from cadence_sdk import register_plugin\nreg = register_plugin\nreg(object)",
        "from cadence_sdk import register_plugin\n@register_plugin\nclass P: pass",
        "try:\n from cadence_sdk import register_plugin as r\nexcept ImportError:\n r = None\nr(1)",
        "from ._setup import setup\nsetup()",
        "from math_plugin._setup import setup\nsetup()",
        "import math_plugin._setup\nmath_plugin._setup.setup()",
        "from . import _setup\n_setup.setup()",
    ],
)
def test_a_registration_is_found(inspected: Inspect, source: str) -> None:
    helper = "from cadence_sdk import register_plugin\ndef setup():\n    register_plugin(object)\n"
    inspected({"__init__.py": source, "_setup.py": helper})


@pytest.mark.parametrize(
    "source",
    [
        "import importlib\nimportlib.import_module('cadence_sdk').register_plugin(1)",
        "import cadence_sdk\ngetattr(cadence_sdk, 'register_' + 'plugin')(1)",
        "exec('register')",
        "from somewhere import *\nregister(1)",
        "from cadence_sdk import register_plugin\nlist(map(register_plugin, [1]))",
        "from cadence_sdk import get_plugin_registry\nget_plugin_registry().register(1)",
        "from company import register\nfrom .plugin import MathPlugin\nregister(MathPlugin)",
    ],
)
def test_a_registration_that_cannot_be_decided_is_left_to_the_trial(inspected: Inspect, source: str) -> None:
    inspected({"__init__.py": source})


@pytest.mark.parametrize(
    "source",
    [
        "",
        "from .plugin import MathPlugin",
        "from cadence_sdk import register_plugin",
        "# register_plugin(MathPlugin)\n'register_plugin(MathPlugin)'",
        "def register_plugin(x): pass\nregister_other = 1",
        "from cadence_sdk import register_plugin\ndef setup():\n    register_plugin(1)",
        "import json\njson.dumps({})",
    ],
)
def test_a_missing_registration_is_told(faults: Faults, source: str) -> None:
    found = faults({"__init__.py": source})
    assert codes(found) == ["not_registered"]
    assert "register_plugin" in found[0].message


@pytest.mark.parametrize(
    "source",
    [
        "from cadence_sdk.base.plugin import BasePlugin as B\nclass P(B): pass",
        "import cadence_sdk\nclass P(cadence_sdk.base.plugin.BasePlugin): pass",
        "from cadence_sdk import base\nclass P(base.BasePlugin): pass",
        "import cadence_sdk as s\nB = s.BasePlugin\nclass P(B): pass",
        "from cadence_sdk import *\nclass P(BasePlugin): pass",
        "from ._base import Common\nclass P(Common): pass",
        "from math_plugin._base import Common as C\nclass P(C): pass",
        "from . import _base\nclass P(_base.Common): pass",
        "import math_plugin._base as b\nclass P(b.Common): pass",
        "from .shared import Common\nclass P(Common): pass",
        "from .shared import *\nclass P(Common): pass",
        "from ._base import Common",
        "try:\n from x import B\nexcept ImportError:\n from cadence_sdk import BasePlugin as B\nclass P(B): pass",
        "from typing import Generic as G\nfrom ._base import Common\nT = object\nclass P(G[T], Common): pass",
        "if True:\n from cadence_sdk import BasePlugin\n class P(BasePlugin): pass",
    ],
)
def test_a_plugin_class_is_found(inspected: Inspect, source: str) -> None:
    base = "from cadence_sdk import BasePlugin, Loggable\nclass Common(BasePlugin, Loggable): pass\n"
    inspected({"plugin.py": source, "_base.py": base, "shared/__init__.py": "from .._base import Common"})


@pytest.mark.parametrize(
    "source",
    [
        "from somewhere import Base\nclass P(Base): pass",
        "from somewhere import *\nclass P(Base): pass",
        "class P(make()): pass",
        "class P(*bases): pass",
        "from cadence_sdk import BasePlugin\nP = type('P', (BasePlugin,), {})",
        "from .missing import Base\nclass P(Base): pass",
        "from somewhere import MathPlugin",
        "from .other import make\nP = make()",
    ],
)
def test_a_class_that_cannot_be_decided_is_left_to_the_trial(inspected: Inspect, source: str) -> None:
    factory = "def make():\n    class P: pass\n    return P\n"
    inspected({"plugin.py": source, "other.py": factory})


@pytest.mark.parametrize(
    "source",
    [
        "",
        "class P: pass",
        "class P(object): pass",
        "from abc import ABC\nclass P(ABC): pass",
        "from cadence_sdk import BasePlugin",
        "from cadence_sdk import BaseAgent\nclass P(BaseAgent): pass",
        "class A(B): pass\nclass B(A): pass",
        "from .agent import MathAgent\nclass P(MathAgent): pass",
        "class BasePlugin: pass\nclass P(BasePlugin): pass",
        "import numpy\nclass P: x = numpy.zeros(3)",
    ],
)
def test_a_missing_plugin_class_is_told(faults: Faults, source: str) -> None:
    message = "plugin.py has no class that derives from BasePlugin"
    assert faults({"plugin.py": source}) == (Fault("inspect", "missing_class", message, "plugin.py"),)


def test_a_missing_agent_class_is_told(faults: Faults) -> None:
    found = faults({"agent.py": "class MathAgent: pass\n"})
    assert [fault.message for fault in found] == ["agent.py has no class that derives from BaseAgent"]


def test_modules_that_import_each_other_in_a_circle_are_tolerated(inspected: Inspect) -> None:
    inspected(
        {
            "a.py": "from .b import *\nfrom .b import x",
            "b.py": "from .a import *\nfrom .a import x",
            "tools.py": "from .a import x\nclass C(x): pass",
        }
    )


@pytest.mark.parametrize(
    ("source", "culprit"),
    [
        ("x = 1\nif:\n", "tools.py:2"),
        ("x = 1\n  y = 2\n", "tools.py:2"),
        ("print 'python 2'\n", "tools.py:1"),
        (b"x = 1\ny = '\xff'\n", "tools.py:2"),
        (b"# coding: klingon\n", "tools.py:1"),
        (b"# coding: punycode\n", "tools.py:1"),
        (b"# coding: rot13\n", "tools.py:1"),
        (b"# coding: utf-7\n", "tools.py:1"),
        (b"x = 1\0\n", "tools.py"),
        (b"\xff\xfex\0=\0", "tools.py:1"),
        ("x = " + "9" * 5000, "tools.py:1"),
        ("(" * 100_000, "tools.py:1"),
        ("-" * 100_000 + "1", "tools.py"),
        ("not " * 100_000 + "1", "tools.py"),
        ("1" + "+1" * 100_000, "tools.py"),
        ("a" + ".b" * 100_000, "tools.py"),
        ("lambda:" * 50_000 + "1", "tools.py"),
        ("if 1:\n pass\n" + "elif 1:\n pass\n" * 20_000, "tools.py"),
        ("1 if 1 else " * 40_000 + "1", "tools.py"),
        ("".join(" " * depth + "if 1:\n" for depth in range(200)), "tools.py:101"),
        ("#" * 600_000, "tools.py"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_source_that_cannot_be_parsed_is_a_fault_with_its_place(
    faults: Faults, source: str | bytes, culprit: str
) -> None:
    found = faults({"tools.py": source})
    assert [fault.culprit for fault in found] == [culprit]
    assert found[0].code in {"syntax_error", "undecodable_source", "source_too_large"}


@pytest.mark.parametrize("nested", ["'-' * 100_000 + '1'", "'lambda:' * 50_000 + '1'", "'1 if 1 else ' * 40_000 + '1'"])
def test_deep_nesting_does_not_overflow_the_small_stack_of_a_server_thread(tmp_path: Path, nested: str) -> None:
    """In a process of its own, which the parser would take down with it."""
    for name, source in (SOURCES | {"tools.py": eval(nested)}).items():
        (tmp_path / name).write_text(source)
    script = (
        "import sys, threading; from pathlib import Path\n"
        "from cadence.errors import ValidationFailed; from cadence.intake.inspection import inspect\n"
        "from cadence.model import PluginRef\n"
        "def run():\n"
        "    try: inspect(Path(sys.argv[1]), PluginRef('math_plugin', '1.0.0'), '1.4.0')\n"
        "    except ValidationFailed as error: print(error.faults[0].code, threading.stack_size())\n"
        "threading.stack_size(256 * 1024); thread = threading.Thread(target=run); thread.start(); thread.join()"
    )
    result = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["syntax_error", str(256 * 1024)]


def test_a_broken_module_is_found_where_the_package_imports_it(faults: Faults) -> None:
    found = faults({"tools.py": "def add():\n    from .deep.helper import x\n", "deep/helper.py": "x = (\n"})
    assert [(fault.code, fault.culprit) for fault in found] == [("syntax_error", "deep/helper.py:1")]


def test_a_broken_file_that_nothing_imports_is_none_of_our_business(inspected: Inspect) -> None:
    inspected({"templates/skeleton.py": "class {{ name }}:\n"})


@pytest.mark.parametrize(
    "source",
    [
        b"\xef\xbb\xbfx = '\xc3\xa9'\n",
        "# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"),
        b"x = 1\r\ny = 2\r\n",
        b"\x0cx = '\\d'\n",
    ],
)
def test_the_encodings_of_honest_source_are_read(inspected: Inspect, source: bytes) -> None:
    inspected({"tools.py": source})


def test_more_source_than_can_be_inspected_is_refused(faults: Faults) -> None:
    big = {f"m{number}.py": "#" * 500_000 for number in range(6)}
    found = faults({**big, "tools.py": "".join(f"from . import m{number}\n" for number in range(6))})
    assert set(codes(found)) == {"source_too_large"}


def _knots() -> Iterator[tuple[str, str]]:
    yield (
        "aliases",
        "".join(f"a{n} = a{n + 1}\na{n} = b{n + 1}\nb{n} = a{n + 1}\nb{n} = b{n + 1}\n" for n in range(2000)),
    )
    yield "bases", "class C0: pass\n" + "".join(f"class C{n + 1}(C{n}): pass\n" for n in range(10_000))
    yield (
        "stars",
        "from .plugin import *\nfrom .agent import *\nfrom .tools import *\n" * 200 + "class C(x): pass\n" * 200,
    )
    yield "functions", "".join(f"def f{n}(): f{n + 1}()\n" for n in range(12_000)) + "f0()\n"
    yield "makers", "def f():\n" + " x = 1\n" * 5000 + "f()\n" * 5000
    yield "imports", "from numpy import x\n" * 8000
    yield "attributes", "x" + ".plugin" * 500 + "()\n"


@pytest.mark.parametrize("source", [pytest.param(source, id=name) for name, source in _knots()])
def test_names_tied_into_knots_are_given_up(inspected: Inspect, source: str) -> None:
    start = "from . import plugin as x\n"
    inspected({"plugin.py": start + source + "class P(a0): pass\nclass Q(nowhere): pass\n"})


def test_a_file_name_with_a_hyphen_is_imported_with_an_underscore(inspected: Inspect) -> None:
    source = (
        "from cadence_sdk import register_plugin\nfrom math_tool.plugin import MathPlugin\nregister_plugin(MathPlugin)"
    )
    assert inspected({"__init__.py": source}, PluginRef("math-tool", "1.0.0")).warnings
