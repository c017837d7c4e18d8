"""``flask chat``: once with a message, or line by line."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import Result

from cadence import create_app
from cadence.chat.models import Model, Models
from cadence.config import Settings
from cadence.errors import ModelFailed
from cadence.runtime.zygote import Zygote
from tests.building import example_archive
from tests.cli.conftest import Run
from tests.conftest import parts_of


@pytest.fixture
def math(run: Run, tmp_path: Path) -> Run:
    archive = tmp_path / "math_plugin-1.0.0.zip"
    archive.write_bytes(example_archive("math_plugin-1.0.0"))
    assert run("upload", archive).exit_code == 0
    return run


@pytest.fixture
def chat(math: Run, settings: Settings, zygote: Zygote) -> Run:
    """Run ``flask chat …`` likewise."""

    def run(*arguments: str, input: str | None = None) -> Result:
        app = create_app(settings, zygote)
        try:
            result = app.test_cli_runner().invoke(args=["chat", *arguments], input=input)
        finally:
            parts_of(app).close()
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def test_a_message_is_answered_with_its_steps(chat: Run) -> None:
    result = chat("what is 12 times 7, and add 5 to it")
    assert result.exit_code == 0
    assert result.stdout.startswith("89\n")
    assert "math_plugin 1.0.0: multiply(a=12, b=7) -> 84.0" in result.stderr
    assert "(thread " in result.stderr


def test_an_answer_as_json_goes_on_in_its_thread(chat: Run) -> None:
    first = json.loads(chat("--json", "add 2 and 3").stdout)
    assert first["steps"][0]["result"] == 5
    assert json.loads(chat("--json", "--thread", first["thread_id"], "and add 4").stdout)["number"] == 2
    listed = chat("--threads").stdout
    assert listed.startswith(first["thread_id"])
    assert "2 turns  add 2 and 3" in listed


def test_what_cannot_be_asked_is_told(chat: Run) -> None:
    result = chat("--plugin", "nobody", "Hello")
    assert result.exit_code == 1
    assert "There is no plugin 'nobody'" in result.stderr
    assert "no conversation 'nothing'" in chat("--thread", "nothing", "Hello").stderr


def test_line_by_line_a_mistake_is_told_and_the_conversation_goes_on(chat: Run) -> None:
    result = chat(input="add 2 and 3\n\n/call math_plugin.add 1\nadd 4 to it\n/quit\n")
    assert result.exit_code == 0
    assert "Arguments are written name=value" in result.stderr
    assert "add(a=5, b=4) = 9" in result.stdout
    assert "1 turns" not in chat("--threads").stdout


def test_after_a_turn_that_failed_the_same_conversation_goes_on(chat: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    model, asked = Models.model, []

    def fail_first(models: Models, requirements: Mapping[str, object] | None = None) -> Model:
        asked.append(requirements)
        if len(asked) == 1:
            raise ModelFailed("It is down.")
        return model(models, requirements)

    monkeypatch.setattr(Models, "model", fail_first)
    result = chat(input="add 2 and 3\nadd 4 and 5\n/quit\n")
    assert "Model failed: It is down." in result.stderr
    assert "add(a=4, b=5)" in result.stderr
    (listed,) = chat("--threads").stdout.splitlines()
    assert "2 turns  add 2 and 3" in listed


def test_the_end_of_the_input_ends_it(chat: Run) -> None:
    assert chat(input="/help\n").exit_code == 0
