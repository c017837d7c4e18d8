"""Conversations with real plugins and the offline model: answers, threads, commands, and plugins that change."""

import threading
from collections.abc import Iterator

import pytest
from langchain_core.messages import AIMessage, BaseMessage

from cadence.chat.conversations import Conversations
from cadence.chat.values import Answer, Broken, Event, Final, Question, Started, Token
from cadence.errors import InvalidRequest, ModelFailed, NotFound, ThreadBusy, TooManyTurns, TurnStopped
from cadence.model import InstallOptions, PluginRef
from cadence.parts import Parts
from tests.building import example_archive
from tests.chat.scripting import ScriptedModels, calls, finalize, goto
from tests.runtime.house import House, eventually, with_ping


@pytest.fixture
def house(parts: Parts) -> House:
    return House(parts)


@pytest.fixture
def conversations(house: House) -> Conversations:
    return house.running.conversations


def install_example(house: House, slug: str) -> None:
    with house.running.receive() as file:
        file.write(example_archive(slug))
        upload = file.finish(f"{slug}.zip")
    house.running.installer.install(upload, InstallOptions(force_overwrite=True))


@pytest.fixture
def math(house: House) -> House:
    install_example(house, "math_plugin-1.0.0")
    return house


def ask(conversations: Conversations, message: str, after: Answer | None = None) -> Answer:
    return conversations.ask(Question(message, after.thread_id if after else None))


def scripted(conversations: Conversations, name: str, *tools: str) -> None:
    """Have a model call tools of one plugin, one after the other, and write that it is done."""

    def script(role: str, messages: list[BaseMessage]) -> AIMessage:
        done = sum(message.type == "tool" for message in messages)
        if role == "coordinator":
            return finalize() if done else goto(name)
        return AIMessage("Done.") if role == "synthesizer" or done == len(tools) else calls((tools[done], {}))

    class Models(ScriptedModels):
        def model(self, requirements: object = None) -> object:  # type: ignore[override]
            return super().model(None if requirements is None else {"role": name})

    conversations.models = Models(script)  # type: ignore[arg-type, assignment]


def test_the_question_of_the_specification_is_answered_by_the_tools_offline(
    math: House, conversations: Conversations
) -> None:
    events: list[Event] = []
    answer = conversations.ask(Question("what is 12 times 7, and add 5 to it"), events.append)
    assert [(step.tool, step.result) for step in answer.steps] == [("multiply", 84), ("add", 89)]
    assert "89" in answer.response
    assert answer.model == "offline"
    assert {step.plugin_version for step in answer.steps} == {"1.0.0"}
    assert events[0] == Started(answer.thread_id, 1)
    assert events[-1] == Final(answer)
    assert "".join(event.text for event in events if isinstance(event, Token)).strip() == answer.response.strip()


def test_a_thread_is_kept_with_its_turns(math: House, conversations: Conversations) -> None:
    first = ask(conversations, "add 2 and 3")
    ask(conversations, "multiply 4 by 5", first)
    record, turns = conversations.thread(first.thread_id)
    assert (record.title, record.turns) == ("add 2 and 3", 2)
    assert [(turn.number, turn.state, turn.message) for turn in turns] == [
        (1, "answered", "add 2 and 3"),
        (2, "answered", "multiply 4 by 5"),
    ]
    assert turns[0].response == first.response
    assert [step.result for step in turns[1].steps] == [20]
    assert [thread.id for thread in conversations.threads()] == [first.thread_id]


def test_what_cannot_be_asked_is_refused_whole(math: House, conversations: Conversations) -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        ask(conversations, " \n")
    with pytest.raises(InvalidRequest, match="at most 32000"):
        ask(conversations, "x" * 32_001)
    with pytest.raises(NotFound, match="no conversation 'nothing'"):
        conversations.ask(Question("Hello", "nothing"))
    with pytest.raises(NotFound, match="no plugin 'nobody'"):
        conversations.ask(Question("Hello", plugins=("nobody",)))
    with pytest.raises(InvalidRequest, match="name=value"):
        ask(conversations, "/call math_plugin.add 2 3")
    assert conversations.threads() == []


def test_only_the_plugins_that_may_answer_do(math: House, conversations: Conversations) -> None:
    install_example(math, "text_plugin-1.0.0")
    answer = conversations.ask(Question("add 2 and 3", plugins=("text_plugin",)))
    assert [step for step in answer.steps if step.agent == "math_plugin"] == []


def test_tools_are_listed_and_called_without_a_model(math: House, conversations: Conversations) -> None:
    def never(*_: object) -> AIMessage:
        raise ModelFailed("No model is there.")

    conversations.models = ScriptedModels(never)  # type: ignore[assignment]
    listed = ask(conversations, "/tools")
    assert "math_plugin.add a=… b=… - Add two numbers." in listed.response.splitlines()
    called = ask(conversations, "/call math_plugin.add a=2 b=3", listed)
    assert called.response == "math_plugin 1.0.0: add(a=2, b=3) -> 5.0"
    assert [step.result for step in called.steps] == [5]
    wrong = ask(conversations, '/call math_plugin.add a="two"', listed)
    assert wrong.steps[0].error
    assert "failed:" in wrong.response
    assert "/call" in ask(conversations, "/help", listed).response
    with pytest.raises(InvalidRequest, match="name=value"):
        ask(conversations, "/call math_plugin.add 2 3")


def test_a_thread_that_is_deleted_is_gone(math: House, conversations: Conversations) -> None:
    answer = ask(conversations, "add 2 and 3")
    conversations.delete(answer.thread_id)
    assert conversations.threads() == []
    with pytest.raises(NotFound):
        conversations.thread(answer.thread_id)
    with pytest.raises(NotFound):
        ask(conversations, "add 1", answer)
    with pytest.raises(NotFound):
        conversations.delete(answer.thread_id)


def test_a_conversation_goes_on_while_its_plugin_changes(math: House, conversations: Conversations) -> None:
    """Upgraded, rolled back, deleted and uploaded again: no turn is lost, each step says which version answered."""
    turn = ask(conversations, "add 1 and 1")
    install_example(math, "math_plugin-1.1.0")
    turn = ask(conversations, "add 2 and 2", turn)
    assert (turn.steps[0].plugin_version, turn.steps[0].result) == ("1.1.0", 4)
    math.running.switcher.roll_back("math_plugin")
    turn = ask(conversations, "add 3 and 3", turn)
    assert (turn.steps[0].plugin_version, turn.steps[0].result) == ("1.0.0", 6)
    for version in ("1.0.0", "1.1.0"):
        math.running.remover.delete(PluginRef("math_plugin", version))
    turn = ask(conversations, "add 4 and 4", turn)
    assert turn.steps == ()
    assert turn.notices == ("math_plugin is not there any more to answer. The conversation goes on without it.",)
    assert ask(conversations, "add 4 and 4", turn).notices == ()  # once is enough
    install_example(math, "math_plugin-1.0.0")
    turn = ask(conversations, "add 5 and 5", turn)
    assert (turn.steps[0].plugin_version, turn.steps[0].result, turn.notices) == ("1.0.0", 10, ())
    assert [one.state for one in conversations.thread(turn.thread_id)[1]] == ["answered"] * 6


#: Says whether it was asked, and answers once it may.
GATED = with_ping(
    """
    import time
    from pathlib import Path

    @tool
    def wait() -> str:
        "Wait."
        Path("asked").touch()
        while not Path("go").exists():
            time.sleep(0.01)
        return "VERSION"

    @tool
    def which() -> str:
        "Which version this is."
        return "VERSION"
    """,
    "wait",
    "which",
)


@pytest.fixture
def gated(house: House, conversations: Conversations) -> Iterator[House]:
    house.install(GATED)
    scripted(conversations, "demo_plugin", "wait", "which")
    yield house
    (house.meeting_place() / "go").touch()


def await_asked(house: House) -> None:
    eventually((house.meeting_place() / "asked").exists)


def test_a_turn_ends_with_the_version_it_began_with(gated: House, conversations: Conversations) -> None:
    stream = conversations.stream(Question("Wait"))
    await_asked(gated)
    gated.install(GATED.replace("VERSION", "NEW"), version="1.1.0")
    assert gated.live().record.ref.version == "1.1.0"
    (gated.meeting_place() / "go").touch()
    *_, last = stream
    assert isinstance(last, Final)
    steps = [(step.tool, step.plugin_version, step.result) for step in last.answer.steps]
    assert steps == [("wait", "1.0.0", "VERSION"), ("which", "1.0.0", "VERSION")]
    eventually(lambda: len(gated.workers()) == 1)


def test_a_thread_that_is_answering_takes_no_second_message(gated: House, conversations: Conversations) -> None:
    stream = conversations.stream(Question("Wait"))
    started = next(stream)
    assert isinstance(started, Started)
    with pytest.raises(ThreadBusy):
        conversations.ask(Question("And?", started.thread_id))
    (gated.meeting_place() / "go").touch()
    assert isinstance([*stream][-1], Final)
    assert ask(conversations, "/help", Answer("", started.thread_id, 1)).number == 2


@pytest.mark.parametrize("how", ["stop", "close"])
def test_a_turn_that_is_stopped_ends_at_once_and_is_kept_as_such(
    gated: House, conversations: Conversations, how: str
) -> None:
    stream = conversations.stream(Question("Wait"))
    started = next(stream)
    assert isinstance(started, Started)
    await_asked(gated)
    if how == "stop":
        assert conversations.stop(started.thread_id)
        last = [*stream][-1]
        assert isinstance(last, Broken)
        assert last.message == TurnStopped.message
    else:
        stream.close()
    eventually(lambda: conversations.thread(started.thread_id)[1][-1].state == "stopped")
    assert not conversations.stop(started.thread_id)


def test_more_turns_than_may_run_are_told_to_come_back(gated: House, conversations: Conversations) -> None:
    from cadence.chat.gate import Gate

    conversations._gate = Gate(1, 0, 0.01)
    stream = conversations.stream(Question("Wait"))
    before = conversations.threads()
    with pytest.raises(TooManyTurns):
        ask(conversations, "add 2 and 3")
    assert conversations.threads() == before  # nothing of it is left
    (gated.meeting_place() / "go").touch()
    assert isinstance([*stream][-1], Final)
    eventually(lambda: ask(conversations, "/help"))


def test_a_worker_that_dies_in_the_middle_is_told_and_the_next_turn_is_answered(
    house: House, conversations: Conversations
) -> None:
    house.install(with_ping('@tool\ndef die() -> None:\n    "Die."\n    os._exit(3)\n', "die"))
    scripted(conversations, "demo_plugin", "die")
    answer = ask(conversations, "Die")
    assert "ended by itself with exit code 3" in (answer.steps[0].error or "")
    scripted(conversations, "demo_plugin", "ping")
    assert ask(conversations, "Ping", answer).steps[0].error is None


def test_a_model_that_fails_fails_the_turn_and_the_thread_goes_on(math: House, conversations: Conversations) -> None:
    offline = conversations.models

    def down(*_: object) -> AIMessage:
        raise ModelFailed("It is down.")

    conversations.models = ScriptedModels(down)  # type: ignore[assignment]
    with pytest.raises(ModelFailed):
        ask(conversations, "add 2 and 3")
    (thread,) = conversations.threads()
    (turn,) = conversations.thread(thread.id)[1]
    assert (turn.state, turn.error) == ("failed", "Model failed: It is down.")
    conversations.models = offline
    assert conversations.ask(Question("add 2 and 3", thread.id)).steps[0].result == 5


def test_many_conversations_at_once_do_not_mix(math: House, conversations: Conversations) -> None:
    answers: dict[int, Answer] = {}

    def converse(number: int) -> None:
        first = ask(conversations, f"add {number} and 1")
        answers[number] = ask(conversations, f"multiply {number} by 2", first)

    threads = [threading.Thread(target=converse, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: answer.steps[0].result for number, answer in answers.items()} == {n: n * 2 for n in range(8)}


def test_threads_survive_the_end_of_the_server(math: House, parts: Parts) -> None:
    first = ask(math.running.conversations, "add 2 and 3")
    parts.close()
    again = Parts(parts.settings, parts._zygote)
    try:
        conversations = again.start(serve=True).conversations
        assert ask(conversations, "multiply 2 by 4", first).steps[0].result == 8
        assert [turn.number for turn in conversations.thread(first.thread_id)[1]] == [1, 2]
    finally:
        again.close()


def test_the_picture_is_of_the_graph_that_answers(math: House, conversations: Conversations) -> None:
    picture = conversations.picture()
    assert {(node.id, node.kind, node.plugin) for node in picture.nodes} == {
        ("__start__", "start", None),
        ("__end__", "end", None),
        ("coordinator", "coordinator", None),
        ("synthesizer", "synthesizer", None),
        ("suspend", "suspend", None),
        ("math_plugin_agent", "agent", "math_plugin"),
        ("math_plugin_tools", "tools", "math_plugin"),
    }
    assert ("coordinator", "math_plugin_agent", True) in picture.edges
    assert ("math_plugin_tools", "math_plugin_agent", False) in picture.edges
