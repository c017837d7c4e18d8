"""The offline model to LangChain: a chat model with tools and streaming, like any other."""

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from cadence.chat import prompts
from cadence.chat.offline.agent import work
from cadence.chat.offline.coordinator import choose
from cadence.chat.offline.exchange import AI, HUMAN, SYSTEM, TOOL, Call, Message, Reply, Tool
from cadence.chat.offline.schema import parameters_of
from cadence.chat.offline.synthesizer import answer
from cadence.chat.values import FINALIZE

_PIECE = re.compile(r"\S+\s*|\s+")


class OfflineModel(BaseChatModel):
    """A chat model made of rules, which needs no key and no network and says that it is one.

    It plays the three roles of a turn (:mod:`cadence.chat.prompts`), told apart by what it is asked: the findings are
    there (synthesizer), a tool is named ``finalize`` (coordinator), or else it is an agent with its tools. It does not
    read system prompts, and has no tone.
    """

    @property
    def _llm_type(self) -> str:
        return "offline"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model_name": "offline"}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools: as OpenAI writes them, or with ``name``, ``description`` and ``parameters`` (JSON schema).

        ``parallel_tool_calls`` is taken as other models take it; calls that do not depend on each other are in one
        message in any case, in the order in which they were asked for.
        """
        offered = [tool if isinstance(tool, dict) else convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=offered, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reply = _reply(messages, kwargs.get("tools"))
        calls = [{"name": call.name, "args": call.args, "id": call.id, "type": "tool_call"} for call in reply.calls]
        return ChatResult(generations=[ChatGeneration(message=AIMessage(reply.text, tool_calls=calls))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in _chunks(_reply(messages, kwargs.get("tools"))):
            generation = ChatGenerationChunk(message=chunk)
            if run_manager is not None:
                run_manager.on_llm_new_token(str(chunk.content), chunk=generation)
            yield generation


def _chunks(reply: Reply) -> Iterator[AIMessageChunk]:
    for piece in _PIECE.findall(reply.text):
        yield AIMessageChunk(content=piece)
    calls = [
        tool_call_chunk(name=call.name, args=json.dumps(call.args), id=call.id, index=index)
        for index, call in enumerate(reply.calls)
    ]
    yield AIMessageChunk(content="", tool_call_chunks=calls, chunk_position="last")


def _reply(messages: Sequence[BaseMessage], offered: object) -> Reply:
    said = [plain for message in messages if (plain := _plain(message)) is not None]
    tools = [tool for one in offered if (tool := _tool(one)) is not None] if isinstance(offered, list) else []
    reply = _played(said, tools)
    return Reply(reply.text, tuple(Call(call.name, call.args, f"offline_{uuid.uuid4().hex}") for call in reply.calls))


def _played(messages: Sequence[Message], tools: Sequence[Tool]) -> Reply:
    """What the role says that is asked."""
    if messages and messages[-1].role == HUMAN and messages[-1].text.startswith(prompts.FINDINGS):
        return answer(messages)
    is_agent = any(message.role == SYSTEM and prompts.AGENT in message.text for message in messages)
    if any(tool.name == FINALIZE for tool in tools) or not (tools or is_agent):
        return choose(messages, tools)
    return work(messages, tools)


def _plain(message: BaseMessage) -> Message | None:
    text = str(message.text)
    if isinstance(message, ToolMessage):
        return Message(TOOL, text, answers=message.tool_call_id, failed=message.status == "error")
    if isinstance(message, AIMessage):
        calls = [Call(call["name"], call["args"], call["id"] or "") for call in message.tool_calls]
        return Message(AI, text, tuple(calls))
    roles: dict[type[BaseMessage], str] = {HumanMessage: HUMAN, SystemMessage: SYSTEM}
    role = next((role for kind, role in roles.items() if isinstance(message, kind)), None)
    return Message(role, text) if role else None


def _tool(offered: object) -> Tool | None:
    """A tool from either form; None for what is none."""
    if not isinstance(offered, Mapping):
        return None
    whole = offered.get("function", offered)
    name = whole.get("name") if isinstance(whole, Mapping) else None
    if not isinstance(name, str) or not name:
        return None
    description = whole.get("description")
    return Tool(name, description if isinstance(description, str) else "", parameters_of(whole.get("parameters")))
