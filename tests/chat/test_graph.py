"""The graph: who is asked, in what order, with what, and what comes of failures and limits."""

import threading
from collections.abc import Sequence

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from cadence.chat.values import AgentEnded, AgentStarted, Token, ToolEnded, ToolStarted
from cadence.errors import ModelFailed, ToolRaised, TurnStopped
from tests.chat.scripting import Plugin, Script, Stage, calls, finalize, goto


def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


def fail() -> None:
    """Fail."""
    raise ToolRaised("ValueError: no such unit")


def in_turn(**roles: Sequence[AIMessage]) -> Script:
    """Each role answers what is given, one after the other."""
    left = {role: list(answers) for role, answers in roles.items()}
    return lambda role, _: left[role].pop(0)


def texts(messages: Sequence[BaseMessage], kind: type[BaseMessage]) -> list[str]:
    return [str(message.text) for message in messages if isinstance(message, kind)]


ADDING = {"math": [calls(("add", {"a": 2, "b": 3})), AIMessage("It is 5.")]}


def test_a_question_goes_through_coordinator_agent_tools_and_synthesizer() -> None:
    stage = Stage(
        in_turn(coordinator=[goto("math", "add 2 and 3"), finalize()], **ADDING, synthesizer=[AIMessage("5, then.")]),
        Plugin("math", add, suggestion="Show the sum."),
    )
    assert stage.ask("What is 2 plus 3?", tone="cheerful") == "5, then."
    assert stage.models.roles() == ["coordinator", "math", "math", "coordinator", "synthesizer"]
    coordinator, agent, again, back, synthesizer = [messages for _, messages, *_ in stage.models.asked]
    assert "cheerful" in coordinator[0].text
    assert texts(agent, HumanMessage) == ["add 2 and 3\n\nThe person wrote: What is 2 plus 3?"]
    assert agent[0].text.startswith("You are an agent.")
    assert texts(again, ToolMessage) == ["5"]
    assert texts(back, ToolMessage) == ["It is 5.\nResult: 5"]
    assert texts(synthesizer, HumanMessage) == [
        "What is 2 plus 3?",
        "What the agents found:\n- math 1.0.0: add(a=2, b=3) -> 5\n- math says: It is 5.",
    ]
    assert "Show the sum." in synthesizer[0].text
    assert [names for _, _, names, _ in stage.models.asked[:2]] == [["goto_math", "finalize"], ["add"]]


def test_what_happens_is_told_as_it_happens() -> None:
    stage = Stage(
        in_turn(coordinator=[goto("math", "add"), finalize()], **ADDING, synthesizer=[AIMessage("5, then.")]),
        Plugin("math", add),
    )
    stage.ask("What is 2 plus 3?")
    started, began, ended, back, *tokens = stage.events
    assert started == AgentStarted("math", "1.0.0", "add")
    assert isinstance(began, ToolStarted)
    assert isinstance(ended, ToolEnded)
    assert (began.tool, began.args, began.id) == ("add", {"a": 2, "b": 3}, ended.step.id)
    assert (ended.step.result, ended.step.plugin_version, ended.step.error) == (5, "1.0.0", None)
    assert back == AgentEnded("math", "It is 5.")
    assert "".join(token.text for token in tokens if isinstance(token, Token)) == "5, then. "


def test_a_later_turn_is_shown_the_questions_and_answers_before_and_none_of_the_work() -> None:
    stage = Stage(
        in_turn(
            coordinator=[goto("math"), finalize(), AIMessage("You are welcome.")],
            **ADDING,
            synthesizer=[AIMessage("5.")],
        ),
        Plugin("math", add),
    )
    stage.ask("2 plus 3?")
    assert stage.ask("Thanks!") == "You are welcome."
    assert [message.text for message in stage.models.asked[-1][1][1:]] == ["2 plus 3?", "5.", "Thanks!"]


def test_another_thread_knows_nothing_of_the_first() -> None:
    stage = Stage(lambda *_: AIMessage("Hello."), Plugin("math", add))
    stage.ask("One", thread="one")
    stage.ask("Two", thread="two")
    assert [message.text for message in stage.models.asked[-1][1][1:]] == ["Two"]


def test_a_plain_answer_of_the_coordinator_is_the_answer() -> None:
    stage = Stage(in_turn(coordinator=[AIMessage("Hello!")]), Plugin("math", add))
    assert stage.ask("Hi") == "Hello!"
    assert stage.events == [Token("Hello!")]


def test_two_agents_work_one_after_the_other_and_the_second_knows_what_the_first_found() -> None:
    stage = Stage(
        in_turn(
            coordinator=[
                calls(("goto_math", {"task": "add"}), ("goto_text", {"task": "write"})),
                goto("text", "write"),
                finalize(),
            ],
            **ADDING,
            text=[AIMessage("Written.")],
            synthesizer=[AIMessage("Both.")],
        ),
        Plugin("math", add),
        Plugin("text"),
    )
    assert stage.ask("Add and write") == "Both."
    (_, brief, *_) = stage.models.asked[4][1]
    assert "Results so far:\n- math 1.0.0: add(a=2, b=3) -> 5" in brief.text
    # Every call of the first message was answered, as models of providers demand.
    answered = {message.tool_call_id for message in stage.models.asked[3][1] if isinstance(message, ToolMessage)}
    asked = [message for message in stage.models.asked[3][1] if isinstance(message, AIMessage)]
    assert answered == {call["id"] for message in asked for call in message.tool_calls}


@pytest.mark.parametrize("parallel", [True, False])
def test_calls_of_one_turn_run_at_once_only_where_the_agent_says_so(parallel: bool) -> None:
    together = threading.Barrier(3)
    met: list[bool] = []

    def meet(number: int) -> int:
        """Meet the others."""
        try:
            together.wait(10 if parallel else 0.05)
            met.append(True)
        except threading.BrokenBarrierError:
            met.append(False)
        return number

    wanted = calls(*(("meet", {"number": number}) for number in range(3)))
    stage = Stage(
        in_turn(
            coordinator=[goto("party"), finalize()], party=[wanted, AIMessage("Met.")], synthesizer=[AIMessage("Ok")]
        ),
        Plugin("party", meet, parallel=parallel),
    )
    stage.ask("Meet")
    assert met == [parallel] * 3
    assert stage.models.asked[1][3]["parallel"] is parallel
    results = texts(stage.models.asked[2][1], ToolMessage)
    assert results == ["0", "1", "2"]  # in the order in which they were asked


def test_a_tool_that_fails_is_told_to_its_agent() -> None:
    stage = Stage(
        in_turn(
            coordinator=[goto("math"), finalize()],
            math=[calls(("fail", {}), ("missing", {})), AIMessage("It cannot be done.")],
            synthesizer=[AIMessage("It failed.")],
        ),
        Plugin("math", fail),
    )
    assert stage.ask("Fail") == "It failed."
    failed, missing = [one for one in stage.models.asked[2][1] if isinstance(one, ToolMessage)]
    assert (failed.status, failed.text) == ("error", "ValueError: no such unit")
    assert missing.text == "There is no tool 'missing'. There are: fail."
    assert "- math 1.0.0: fail() failed: ValueError: no such unit" in stage.models.asked[-1][1][-1].text


def test_arguments_that_could_not_be_read_are_told_to_the_model() -> None:
    unread = AIMessage(
        "",
        invalid_tool_calls=[{"type": "invalid_tool_call", "name": "add", "args": "{", "id": "x", "error": "no JSON"}],
    )
    stage = Stage(
        in_turn(
            coordinator=[goto("math"), finalize()], math=[unread, AIMessage("Sorry.")], synthesizer=[AIMessage("No.")]
        ),
        Plugin("math", add),
    )
    stage.ask("Add")
    assert texts(stage.models.asked[2][1], ToolMessage) == ["The arguments are no JSON object."]


def test_an_agent_whose_prompt_raises_gives_back_and_is_not_asked_again() -> None:
    stage = Stage(
        in_turn(coordinator=[goto("odd"), finalize()], synthesizer=[AIMessage("It could not.")]),
        Plugin("odd", prompt=ToolRaised("RuntimeError: no prompt today")),
    )
    assert stage.ask("Anything") == "It could not."
    assert AgentEnded("odd", "", "It could not work: RuntimeError: no prompt today") in stage.events
    assert stage.models.asked[1][2] == ["finalize"]


def test_a_turn_keeps_the_plugins_that_it_began_with() -> None:
    script = in_turn(coordinator=[goto("math"), finalize()], **ADDING, synthesizer=[AIMessage("5.")])

    def removing(role: str, messages: Sequence[BaseMessage]) -> AIMessage:
        stage.plugins.pop("math", None)
        return script(role, messages)

    stage = Stage(removing, Plugin("math", add))
    assert stage.ask("Add") == "5."


def test_an_agent_that_slept_and_is_gone_by_the_time_it_is_needed_is_told() -> None:
    stage = Stage(
        in_turn(coordinator=[goto("math"), finalize()], synthesizer=[AIMessage("Gone.")]), Plugin("math", add)
    )
    stage.asleep = {"math"}
    assert stage.ask("Add") == "Gone."
    assert AgentEnded("math", "", "It could not work: math is not there.") in stage.events


def test_a_failure_of_the_model_fails_the_turn_and_lets_go_of_the_workers() -> None:
    def failing(role: str, _: Sequence[BaseMessage]) -> AIMessage:
        if role == "math":
            raise ModelFailed("The provider answers with an error.")
        return goto("math")

    plugin = Plugin("math", add)
    stage = Stage(failing, plugin)
    with pytest.raises(ModelFailed):
        stage.ask("Add")
    assert plugin.held == 0


def test_a_thread_goes_on_after_a_turn_that_failed() -> None:
    failures = [ModelFailed("down")]

    def script(_: str, __: Sequence[BaseMessage]) -> AIMessage:
        if failures:
            raise failures.pop()
        return AIMessage("Up again.")

    stage = Stage(script, Plugin("math", add))
    with pytest.raises(ModelFailed):
        stage.ask("First")
    assert stage.ask("Second") == "Up again."
    assert [message.text for message in stage.models.asked[-1][1][1:]] == ["Second"]


def test_two_agents_that_hand_over_for_ever_are_stopped_by_the_hops() -> None:
    turn = iter(range(1000))

    def script(role: str, _: Sequence[BaseMessage]) -> AIMessage:
        if role == "coordinator":
            return goto("one" if next(turn) % 2 else "two")
        return AIMessage("The other has to do it.")

    stage = Stage(script, Plugin("one"), Plugin("two"), hops=5)
    answer = stage.ask("Who?")
    assert answer == (
        "I stopped here: this turn handed over to agents 5 times, as often as it may (CADENCE_MAX_AGENT_HOPS)."
    )
    assert stage.turn is not None
    assert stage.turn.limit == answer


def test_an_agent_that_calls_tools_for_ever_is_stopped_by_the_recursion_limit_and_what_it_found_is_told() -> None:
    def script(role: str, _: Sequence[BaseMessage]) -> AIMessage:
        return goto("math") if role == "coordinator" else calls(("add", {"a": 1, "b": 1}))

    stage = Stage(script, Plugin("math", add), recursion_limit=12)
    answer = stage.ask("For ever").splitlines()
    assert "CADENCE_GRAPH_RECURSION_LIMIT" in answer[0]
    assert answer[1:3] == ["So far:", "- math 1.0.0: add(a=1, b=1) -> 2"]


def test_agents_that_are_not_there_are_no_endless_loop() -> None:
    stage = Stage(lambda *_: goto("nobody"), Plugin("math", add), hops=4)
    assert "CADENCE_MAX_AGENT_HOPS" in stage.ask("Who?")
    assert stage.models.roles() == ["coordinator"] * 4


def test_a_plugin_that_decides_itself_when_to_go_on_is_asked() -> None:
    seen: list[list[str]] = []

    def routing(messages: Sequence[dict[str, object]]) -> str:
        seen.append([str(message["type"]) for message in messages])
        return "back"

    stage = Stage(
        in_turn(
            coordinator=[goto("math"), finalize()],
            math=[calls(("add", {"a": 1, "b": 1}), text="I would add.")],
            synthesizer=[AIMessage("Nothing was added.")],
        ),
        Plugin("math", add, routing=routing),
    )
    assert stage.ask("Add") == "Nothing was added."
    assert seen == [["human", "ai"]]
    assert not [event for event in stage.events if isinstance(event, ToolStarted)]


def test_a_plugin_that_always_goes_on_is_stopped() -> None:
    stage = Stage(
        lambda role, _: goto("math") if role == "coordinator" else AIMessage("Once more."),
        Plugin("math", add, routing=lambda _: "continue"),
        recursion_limit=10,
    )
    assert "CADENCE_GRAPH_RECURSION_LIMIT" in stage.ask("Go on")


def test_a_stop_between_two_steps_ends_the_turn() -> None:
    stage = Stage(lambda *_: AIMessage("Never."), Plugin("math", add))
    stage.stopped.set()
    with pytest.raises(TurnStopped):
        stage.ask("Anything")
    assert stage.models.asked == []


def test_a_stop_does_not_wait_for_a_tool() -> None:
    begun, let_go = threading.Event(), threading.Event()

    def slow() -> None:
        """Wait."""
        begun.set()
        let_go.wait(60)

    plugin = Plugin("slow", slow)
    stage = Stage(lambda role, _: goto("slow") if role == "coordinator" else calls(("slow", {})), plugin)

    def stop() -> None:
        begun.wait(60)
        stage.stopped.set()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(TurnStopped):
        stage.ask("Wait")
    assert not let_go.is_set()
    let_go.set()
    stopper.join()


def test_a_tool_that_answers_much_is_cut_for_the_model_and_whole_in_its_step() -> None:
    def much() -> str:
        """Say much."""
        return "x" * 100_000

    stage = Stage(
        in_turn(
            coordinator=[goto("much"), finalize()],
            much=[calls(("much", {})), AIMessage("Ok.")],
            synthesizer=[AIMessage("Ok.")],
        ),
        Plugin("much", much),
    )
    stage.ask("Say")
    (told,) = texts(stage.models.asked[2][1], ToolMessage)
    assert len(told) < 21_000
    assert told.endswith("more characters)")
    (ended,) = [event for event in stage.events if isinstance(event, ToolEnded)]
    assert len(ended.step.result) == 100_000
