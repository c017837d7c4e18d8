"""What a turn of a conversation costs beside the time of its model, and how many conversations answer at once."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig

from benchmarks.figure import Figure, Goal, compared
from benchmarks.figures.call import in_process_tool, install
from benchmarks.sampling import Effort, Samples, interleave
from benchmarks.workbench import ARGUMENTS, MATH, ROOT, TOOL, math_plugin, running, workbench
from cadence.chat.conversations import Conversations
from cadence.chat.values import FINALIZE, GOTO, Question
from cadence.parts import Running

_AT_ONCE = 20
_MODEL_SECONDS = 0.05
_MESSAGE = "What is 2 plus 3?"
_WAITING, _WAIT_SECONDS, _CALLS = "parallel_plugin", 0.2, 5


class _Instant(BaseChatModel):
    """A model that knows what to say: a call of the tool, then the answer. It takes ``seconds`` for each."""

    seconds: float = 0.0

    @property
    def _llm_type(self) -> str:
        return "instant"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Any:
        """Itself, told of its tools by their names."""
        names = [tool["name"] if isinstance(tool, dict) else tool.name for tool in tools]
        return self.bind(names=names)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: Any = None,
        run_manager: Any = None,
        names: Sequence[str] = (),
        **_: Any,
    ) -> ChatResult:
        if self.seconds:
            time.sleep(self.seconds)
        return ChatResult(generations=[ChatGeneration(message=answer_of(messages, names))])


def answer_of(messages: Sequence[BaseMessage], tools: Sequence[str]) -> AIMessage:
    """What any model would say here in its role."""
    done = isinstance(messages[-1], ToolMessage)
    if FINALIZE in tools:
        name = FINALIZE if done else f"{GOTO}{MATH.name}"
        return AIMessage("", tool_calls=[ToolCall(name=name, args={}, id=str(len(messages)), type="tool_call")])
    if TOOL in tools and not done:
        return AIMessage("", tool_calls=[ToolCall(name=TOOL, args=dict(ARGUMENTS), id="1", type="tool_call")])
    return AIMessage("It is 5.")


class _Model:
    """:class:`_Instant` as the graph asks its models."""

    name = "instant"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def answer(self, messages: Sequence[BaseMessage], tools: Sequence[dict[str, Any]] = (), **_: Any) -> AIMessage:
        """As in :class:`cadence.chat.models.Model`."""
        if self._seconds:
            time.sleep(self._seconds)
        return answer_of(messages, [tool["name"] for tool in tools])


class _Models:
    """In the place of the models of a server."""

    default = "instant"

    def __init__(self, seconds: float = 0.0) -> None:
        self._model = _Model(seconds)

    def tracing(self) -> AbstractContextManager[None]:
        """No service is told."""
        return nullcontext()

    def model(self, _: object = None) -> _Model:
        """The one there is."""
        return self._model


def measure(effort: Effort) -> list[Figure]:
    """Turns with a model that takes no time, against LangChain's own agent in one process; then many at once."""
    with workbench() as folder, running(folder, threads=4 * _AT_ONCE, max_chat_turns=_AT_ONCE) as runtime:
        plugin = math_plugin(folder)
        install(runtime, plugin, folder)
        conversations = runtime.conversations
        return [
            _overhead(conversations, plugin, effort),
            *_at_once(conversations, effort),
            *_five_calls(runtime, folder, effort),
        ]


def _overhead(conversations: Conversations, plugin: Path, effort: Effort) -> Figure:
    with _answering(conversations, _Models()), _in_process(plugin) as agent:
        samples = interleave(
            {"cadence": _turn(conversations), "langchain": agent}, seconds=effort.seconds(8), warm_up=4
        )
    return compared(
        "turn of a conversation, without its model",
        "ms",
        samples["cadence"],
        samples["langchain"],
        against="LangChain's create_agent with the tool in process, threads in SQLite",
        tail=True,
        note="One call of a tool and the answer. Ours asks coordinator and synthesizer too: 5 questions to its 2.",
    )


def _at_once(conversations: Conversations, effort: Effort) -> list[Figure]:
    turns = effort.pick(5, 1)
    with _answering(conversations, _Models(_MODEL_SECONDS)), ThreadPoolExecutor(_AT_ONCE) as pool:
        started = time.perf_counter()
        for _ in range(turns):
            _ask(conversations)
        alone = (time.perf_counter() - started) / turns
        together = threading.Barrier(_AT_ONCE)

        def converse() -> list[float]:
            together.wait()
            return [_ask(conversations) for _ in range(turns)]

        taken = [ms for future in [pool.submit(converse) for _ in range(_AT_ONCE)] for ms in future.result()]
    return [
        compared(
            f"{_AT_ONCE} conversations at once: a turn",
            "ms",
            Samples.of(taken),
            Samples.of([alone * 1000]),
            against="a turn of one alone",
            goal=Goal(1.5, of="ratio"),
            tail=True,
            note=f"The model takes {_MODEL_SECONDS * 1000:.0f} ms for each of five answers.",
        )
    ]


def _five_calls(runtime: Running, folder: Path, effort: Effort) -> list[Figure]:
    """A turn whose model asks for five calls at once that wait 200 ms each, against one with a single such call."""
    taken = {}
    for words in ("parallel", "one after the other"):
        plugin = _waiting_plugin(folder, parallel=words == "parallel")
        install(runtime, plugin, folder)
        with _answering(runtime.conversations, _Waiting()):
            for number in (1, _CALLS):
                question = Question(f"{number}", plugins=(_WAITING,))
                answers = [runtime.conversations.ask(question) for _ in range(effort.pick(3, 1))]
                if [len(answer.steps) for answer in answers] != [number] * len(answers):
                    raise ValueError(f"the turns came to {answers}")
                taken[words, number] = Samples.of([answer.ms for answer in answers])
    against = f"a turn with one call of {_WAIT_SECONDS * 1000:.0f} ms"
    return [
        compared(f"turn with five such calls, {words}", "ms", taken[words, _CALLS], taken[words, 1], against=against)
        for words in ("parallel", "one after the other")
    ]


def _waiting_plugin(folder: Path, *, parallel: bool) -> Path:
    """The example that waits, saying whether its calls may run at once."""
    target = folder / f"{_WAITING}-1.0.0"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ROOT / "examples" / target.name, target, ignore=shutil.ignore_patterns("__pycache__"))
    agent = target / "agent.py"
    agent.write_text(agent.read_text().replace("parallel_tool_calls=True", f"parallel_tool_calls={parallel}"))
    return target


class _Waiting(_Models):
    """Asks for as many calls as the message says."""

    name = "instant"

    def model(self, _: object = None) -> Any:
        """Itself."""
        return self

    def answer(self, messages: Sequence[BaseMessage], tools: Sequence[dict[str, Any]] = (), **_: Any) -> AIMessage:
        """As in :class:`cadence.chat.models.Model`."""
        names = [tool["name"] for tool in tools]
        done = isinstance(messages[-1], ToolMessage)
        if FINALIZE in names:
            asked = next(str(one.text) for one in messages if isinstance(one, HumanMessage))
            task = {"task": asked}
            name, args = (FINALIZE, {}) if done else (f"{GOTO}{_WAITING}", task)
            return AIMessage("", tool_calls=[ToolCall(name=name, args=args, id="0", type="tool_call")])
        if names and not done:
            count = int(str(messages[-1].text))
            wait = {"seconds": _WAIT_SECONDS}
            made = [ToolCall(name="wait", args=wait, id=f"{n}", type="tool_call") for n in range(count)]
            return AIMessage("", tool_calls=made)
        return AIMessage("Done.")


def _turn(conversations: Conversations) -> Callable[[], list[float]]:
    """A turn of a new thread, and what it took without its model."""

    def sample() -> list[float]:
        answer = conversations.ask(Question(_MESSAGE))
        if [step.result for step in answer.steps] != [5]:
            raise ValueError(f"the turn came to {answer}")
        return [answer.ms - answer.model_ms]

    return sample


def _ask(conversations: Conversations) -> float:
    return conversations.ask(Question(_MESSAGE)).ms


@contextmanager
def _answering(conversations: Conversations, models: _Models) -> Iterator[None]:
    before = conversations.models
    conversations.models = models  # type: ignore[assignment]  # of the same shape
    try:
        yield
    finally:
        conversations.models = before


@contextmanager
def _in_process(plugin: Path) -> Iterator[Callable[[], list[float]]]:
    """What people write today: an agent over the imported tool, with its threads in a file."""
    from langchain.agents import create_agent
    from langgraph.checkpoint.sqlite import SqliteSaver

    with SqliteSaver.from_conn_string(str(plugin.parent / "agent.db")) as saver:
        agent = create_agent(_Instant(), [in_process_tool(plugin / "tools.py")], checkpointer=saver)
        numbers = iter(range(10**9))

        def ask() -> list[float]:
            config: RunnableConfig = {"configurable": {"thread_id": str(next(numbers))}}
            started = time.perf_counter()
            state = agent.invoke({"messages": [HumanMessage(_MESSAGE)]}, config)
            taken = (time.perf_counter() - started) * 1000
            if state["messages"][-1].text != "It is 5.":
                raise ValueError("the agent answered something else")
            return [taken]

        yield partial(ask)
