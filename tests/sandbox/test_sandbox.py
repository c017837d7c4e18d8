"""What the layers of a host come to: one line, a warning, and whether plugins may run."""

import logging
import threading
from collections.abc import Iterator

import pytest

from cadence.config import SandboxMode
from cadence.errors import PluginUnavailable
from cadence.model import PluginRef
from cadence.sandbox import Sandbox, SandboxProbe, remedy
from cadence_sdk._runtime.report import Layer
from tests.sandbox.hosts import CGROUP, LANDLOCK, NO_CGROUP, NO_LANDLOCK, SECCOMP, WEAK_SECCOMP

REF = PluginRef("demo_plugin", "1.0.0")


def test_a_host_with_every_layer_has_nothing_to_warn_of() -> None:
    sandbox = Sandbox.of(SandboxMode.PREFER, (LANDLOCK, SECCOMP))
    assert sandbox.complete
    assert sandbox.missing == ()
    assert sandbox.warning is None
    assert sandbox.line == "Sandbox: all 2 layers active"


def test_the_line_names_each_missing_layer_and_why() -> None:
    sandbox = Sandbox.of(SandboxMode.PREFER, (NO_LANDLOCK, SECCOMP, NO_CGROUP))
    assert not sandbox.complete
    assert sandbox.line == (
        "Sandbox: WARNING, 2 of 3 layers are missing: landlock (kernel 5.10 has no Landlock); cgroup (not delegated)"
    )
    assert sandbox.warning == (
        "The sandbox is incomplete: 2 of 3 layers are missing: landlock, cgroup. "
        "Plugins run with less protection than they should."
    )


def test_one_missing_layer_is_said_in_the_singular() -> None:
    assert "1 of 2 layers is missing: cgroup" in Sandbox.of(SandboxMode.PREFER, (LANDLOCK, NO_CGROUP)).line


def test_a_layer_that_is_weaker_than_it_could_be_is_named_and_is_not_missing() -> None:
    sandbox = Sandbox.of(SandboxMode.REQUIRE, (LANDLOCK, WEAK_SECCOMP))
    assert sandbox.complete
    assert sandbox.line == "Sandbox: all 2 layers active; weaker than it could be: seccomp (an old kernel)"


def test_a_sandbox_that_is_off_is_off_whatever_the_host_has() -> None:
    sandbox = Sandbox.of(SandboxMode.OFF, (LANDLOCK, SECCOMP))
    assert not sandbox.complete
    assert not any(layer.active for layer in sandbox.layers)
    assert sandbox.line == "Sandbox: OFF, plugins can do whatever this server can"
    sandbox.admit(REF)


@pytest.mark.parametrize("mode", [SandboxMode.PREFER, SandboxMode.REQUIRE])
def test_a_host_that_names_no_layer_is_not_taken_for_a_complete_one(mode: SandboxMode) -> None:
    sandbox = Sandbox.of(mode, ())
    assert not sandbox.complete
    assert "none of its layers is there" in sandbox.line


@pytest.mark.parametrize("layers", [(NO_LANDLOCK, SECCOMP), ()])
def test_prefer_lets_plugins_run_with_what_there_is(layers: tuple[Layer, ...]) -> None:
    Sandbox.of(SandboxMode.PREFER, layers).admit(REF)


def test_require_lets_plugins_run_where_nothing_is_missing() -> None:
    Sandbox.of(SandboxMode.REQUIRE, (LANDLOCK, SECCOMP)).admit(REF)


def test_require_refuses_plugins_in_words_that_name_the_layer_and_what_to_do() -> None:
    sandbox = Sandbox.of(SandboxMode.REQUIRE, (NO_LANDLOCK, SECCOMP))
    assert sandbox.line.startswith("Sandbox: REFUSES PLUGINS, 1 of 2 layers is missing: landlock (")
    with pytest.raises(PluginUnavailable) as refused:
        sandbox.admit(REF)
    words = refused.value.in_words
    assert refused.value.ref == REF
    assert "landlock (kernel 5.10 has no Landlock)" in words
    assert remedy(NO_LANDLOCK) in words
    assert "CADENCE_SANDBOX=prefer" in words


def test_require_refuses_plugins_where_no_layer_is_known() -> None:
    with pytest.raises(PluginUnavailable, match="no layer"):
        Sandbox.of(SandboxMode.REQUIRE, ()).admit(REF)


def test_every_layer_of_this_host_has_a_remedy_of_its_own() -> None:
    from cadence_sdk._runtime.lockdown.host import Host, layers

    unknown = remedy(Layer("something new", "", False))
    assert "docs/sandbox.md" in unknown
    names = [layer.name for layer in layers(Host())]
    assert "landlock" in names
    assert [layer.name for layer in (*layers(Host()), CGROUP) if remedy(layer) == unknown] == []


def test_the_log_says_what_to_do_about_each_missing_layer(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Sandbox.of(SandboxMode.PREFER, (NO_LANDLOCK, SECCOMP)).warn()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert remedy(NO_LANDLOCK) in caplog.text


def test_the_log_is_quiet_where_nothing_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    Sandbox.of(SandboxMode.REQUIRE, (LANDLOCK,)).warn()
    assert caplog.records == []


class Finding:
    """Layers that are found when the test says so, and how often they were looked for."""

    def __init__(self) -> None:
        self.may_find = threading.Event()
        self.times = 0

    def __call__(self) -> tuple[Layer, ...]:
        self.times += 1
        assert self.may_find.wait(20)
        return (NO_LANDLOCK, SECCOMP)


def test_nothing_is_claimed_before_it_is_known_and_the_host_is_asked_once() -> None:
    finding = Finding()
    probe = SandboxProbe(SandboxMode.PREFER, finding)
    assert probe.known is None
    finding.may_find.set()
    assert probe.await_known() is probe.await_known()
    assert probe.known is probe.await_known()
    assert finding.times == 1


def test_that_it_is_off_is_known_at_once() -> None:
    known = SandboxProbe(SandboxMode.OFF, Finding()).known
    assert known is not None
    assert known.is_off


@pytest.mark.parametrize("mode", [SandboxMode.PREFER, SandboxMode.OFF])
def test_only_require_makes_a_plugin_wait_for_the_answer(mode: SandboxMode) -> None:
    finding = Finding()
    SandboxProbe(mode, finding).admit(REF)
    assert finding.times == 0


def test_require_asks_before_it_admits() -> None:
    finding = Finding()
    finding.may_find.set()
    with pytest.raises(PluginUnavailable):
        SandboxProbe(SandboxMode.REQUIRE, finding).admit(REF)


def test_a_host_that_could_not_be_asked_is_asked_again() -> None:
    answers: Iterator[PluginUnavailable | tuple[Layer, ...]] = iter([PluginUnavailable("No process."), (LANDLOCK,)])

    def find() -> tuple[Layer, ...]:
        answer = next(answers)
        if isinstance(answer, PluginUnavailable):
            raise answer
        return answer

    probe = SandboxProbe(SandboxMode.REQUIRE, find)
    lines: list[str] = []
    probe.report(lines.append)
    assert lines == ["Sandbox: NOT KNOWN, because no plugin can be started. No process."]
    assert probe.known is None
    probe.report(lines.append)
    assert lines[1:] == ["Sandbox: its only layer is active"]
