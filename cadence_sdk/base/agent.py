"""The agent class: tools, a prompt, and what the graph asks of an agent."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from cadence_sdk.base.loggable import Loggable
from cadence_sdk.base.metadata import PluginMetadata


class BaseAgent(Loggable, ABC):
    """An agent: the tools a model may call, and the prompt that tells it how.

    :param metadata: the plugin's metadata.
    :param parallel_tool_calls: whether the tool calls of one turn may run at the same time. Say ``False`` when
        they depend on each other's effects.
    """

    def __init__(self, metadata: PluginMetadata, parallel_tool_calls: bool = True) -> None:
        super().__init__()
        self.metadata = metadata
        self.parallel_tool_calls = parallel_tool_calls
        self._bound_model: Any = None

    @abstractmethod
    def get_tools(self) -> list[Any]:
        """The tools: functions decorated with ``@tool``, or any LangChain ``BaseTool``."""

    @abstractmethod
    def get_system_prompt(self) -> str:
        """The prompt that makes a model this agent."""

    def initialize(self) -> None:
        """Prepare for work; called once, before the first tool call."""

    def cleanup(self) -> None:
        """Release what :meth:`initialize` took; called once, when the plugin is put down."""

    def bind_model(self, model: Any, callbacks: Any = None) -> Any:
        """Give a LangChain chat model this agent's tools, and keep it for :meth:`create_agent_node`.

        :param callbacks: LangChain callbacks for every call of the model.
        :returns: the bound model.
        """
        bound = model.bind_tools(self.get_tools(), parallel_tool_calls=self.parallel_tool_calls)
        self._bound_model = bound.with_config(callbacks=callbacks) if callbacks else bound
        return self._bound_model

    def create_agent_node(self) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        """A LangGraph node: asks the bound model with the system prompt before the conversation.

        The returned function raises :class:`RuntimeError` when no model was bound.
        """

        def node(state: Mapping[str, Any]) -> dict[str, Any]:
            if self._bound_model is None:
                raise RuntimeError(f"No model is bound to {type(self).__name__}; call bind_model(model) first.")
            from langchain_core.messages import SystemMessage

            prompt = SystemMessage(content=self.get_system_prompt())
            return {"messages": [self._bound_model.invoke([prompt, *state.get("messages", ())])]}

        return node

    @staticmethod
    def should_continue(state: Mapping[str, Any]) -> str:
        """``"continue"`` when the last message asks for tools, else ``"back"``."""
        messages = state.get("messages") or ()
        return "continue" if messages and getattr(messages[-1], "tool_calls", None) else "back"
