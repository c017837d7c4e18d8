"""Calls a tool directly: LangChain's ``invoke`` without its run machinery, which takes 280 µs to trace a call.

The semantics are those of ``BaseTool.run`` in langchain-core 1.7; where a tool is too special for the direct way, it
is ``invoke`` itself that is called.
"""

import asyncio
import inspect
import uuid
from collections.abc import Callable, Mapping
from contextvars import copy_context
from types import TracebackType
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForToolRun, CallbackManagerForToolRun
from langchain_core.messages import ToolMessage
from langchain_core.runnables import ensure_config
from langchain_core.tools import BaseTool, StructuredTool, Tool, ToolException

from cadence_sdk._runtime.arguments import (
    VALIDATION_ERRORS,
    Arguments,
    ArgumentsInvalid,
    config_parameter,
    parameters_of,
    preparation,
    sentences_of,
    unknown_names,
    wants_call_id,
)
from cadence_sdk._runtime.report import ToolSpec
from cadence_sdk._runtime.results import to_json
from cadence_sdk.examples import examples_of

__all__ = ["ArgumentsInvalid", "ToolCall", "to_json"]

_MACHINERY = ("invoke", "ainvoke", "run", "arun", "_parse_input", "_to_args_and_kwargs")
_LANGCHAINS = (BaseTool, StructuredTool, Tool)
# What ``run`` hands to ``StructuredTool._run``, which keeps it from the function.
_RUN_ARGUMENTS = ("config", "run_manager")


class ToolCall:
    """One tool, ready to be called.

    :ivar spec: its name, description and the JSON schema of its arguments.
    :ivar is_async: whether it has to be called by :meth:`acall`.
    :ivar examples: the examples its author gave it.
    """

    def __init__(self, tool: BaseTool) -> None:
        self._tool = tool
        self._function = _function(tool)
        self._coroutine = _coroutine(tool)
        self.is_async = self._coroutine is not None and _lacks_sync(tool)
        self.examples = examples_of(type(tool), tool, self._function, self._coroutine)
        self.spec = ToolSpec(tool.name, tool.description or "", parameters_of(tool), self.is_async, len(self.examples))
        self._call_id = wants_call_id(tool)
        self._prepare = None if self._call_id or _is_special(tool) else preparation(tool)
        self._fill = _filler(self._function, _is_method(tool, "_run"), CallbackManagerForToolRun)
        self._fill_async = _filler(self._coroutine, _is_method(tool, "_arun"), AsyncCallbackManagerForToolRun)

    def call(self, args: Arguments) -> Any:
        """Call the tool and wait for what it returns.

        :raises ArgumentsInvalid: when the arguments do not fit its schema.
        :raises NotImplementedError: when it can only be called by :meth:`acall`.
        :raises BaseException: whatever the tool raises.
        """
        if self._prepare is None:
            return self._invoke(args)
        if self._function is None:
            raise NotImplementedError(f"The tool {self.spec.name} does not support sync invocation.")
        try:
            positional, named = self._prepare(args)
        except (*VALIDATION_ERRORS, ToolException) as error:
            return self._refused(error)
        self._fill(named)
        try:
            # A context of its own, so that what a call leaves in context variables is gone with it.
            response = copy_context().run(self._function, *positional, **named)
        except (*VALIDATION_ERRORS, ToolException) as error:
            return self._handled(error)
        except TypeError as error:
            _raise_if_unfit(self._function, positional, named, error)
            raise
        return self._content(response)

    async def acall(self, args: Arguments) -> Any:
        """Call the tool on the running event loop, or in a thread when it is not ``async``.

        :raises ArgumentsInvalid: when the arguments do not fit its schema.
        :raises BaseException: whatever the tool raises.
        """
        if self._prepare is None:
            return await self._ainvoke(args)
        if self._coroutine is None:
            return await asyncio.to_thread(self.call, args)
        try:
            positional, named = self._prepare(args)
        except (*VALIDATION_ERRORS, ToolException) as error:
            return self._refused(error)
        self._fill_async(named)
        try:
            response = await self._coroutine(*positional, **named)
        except (*VALIDATION_ERRORS, ToolException) as error:
            return self._handled(error)
        except TypeError as error:
            _raise_if_unfit(self._coroutine, positional, named, error)
            raise
        return self._content(response)

    def unknown(self, args: Arguments) -> tuple[str, ...]:
        """The names among these arguments that the tool has none of, though it would not say so but ignore them."""
        return unknown_names(self._tool, self.spec.parameters, args)

    def _refused(self, error: Exception) -> Any:
        """The answer to arguments that do not fit: what the tool says about them, or :class:`ArgumentsInvalid`."""
        if isinstance(error, ToolException):
            if self._tool.handle_tool_error:
                return self._handled(error)
            raise ArgumentsInvalid(str(error)) from error
        if self._tool.handle_validation_error:
            return self._handled(error)
        assert isinstance(error, VALIDATION_ERRORS)
        raise ArgumentsInvalid(*sentences_of(error)) from error

    def _handled(self, error: Exception) -> Any:
        """What the tool wants to be answered instead of an exception; without a wish the exception is raised."""
        tool = self._tool
        if isinstance(error, ToolException):
            flag: Any = tool.handle_tool_error
            default = error.args[0] if error.args else "Tool execution error"
        else:
            flag, default = tool.handle_validation_error, "Tool input validation error"
        if not flag:
            raise error
        if isinstance(flag, bool):
            return default
        return flag if isinstance(flag, str) else flag(error)

    def _content(self, response: Any) -> Any:
        if getattr(self._tool, "response_format", "content") != "content_and_artifact":  # from langchain-core 0.2.19 on
            return response
        if isinstance(response, tuple) and len(response) == 2:
            return response[0]
        raise ValueError(
            "Since response_format='content_and_artifact' a two-tuple of the message content and raw tool output is "
            f"expected. Instead, generated response is of type: {type(response)}."
        )

    def _invoke(self, args: Arguments) -> Any:
        try:
            return _content_of(self._tool.invoke(self._request(args)))
        except VALIDATION_ERRORS as error:
            _raise_if_refused(error)
            raise

    async def _ainvoke(self, args: Arguments) -> Any:
        try:
            return _content_of(await self._tool.ainvoke(self._request(args)))
        except VALIDATION_ERRORS as error:
            _raise_if_refused(error)
            raise

    def _request(self, args: Arguments) -> Any:
        if not self._call_id:
            return dict(args)
        return {"type": "tool_call", "id": str(uuid.uuid4()), "name": self.spec.name, "args": args}


def _is_special(tool: BaseTool) -> bool:
    """Whether a tool has a way of its own of being run, or someone who listens to its runs."""
    changed = any(not _is_langchains(tool, method) for method in _MACHINERY)
    return changed or bool(tool.callbacks) or tool.verbose


def _is_langchains(tool: BaseTool, method: str) -> bool:
    own = getattr(type(tool), method)
    return any(own is getattr(known, method) for known in _LANGCHAINS)


def _is_method(tool: BaseTool, method: str) -> bool:
    return not _is_langchains(tool, method)


def _function(tool: BaseTool) -> Callable[..., Any] | None:
    if not _is_method(tool, "_run") and isinstance(tool, StructuredTool | Tool):
        return None if inspect.iscoroutinefunction(tool.func) else tool.func
    return tool._run


def _coroutine(tool: BaseTool) -> Callable[..., Any] | None:
    if _is_method(tool, "_arun"):
        return tool._arun
    if _is_method(tool, "_run") or not isinstance(tool, StructuredTool | Tool):
        return None
    # LangChain would return the coroutine of an async function given as ``func`` without awaiting it.
    return tool.coroutine or (tool.func if inspect.iscoroutinefunction(tool.func) else None)


def _lacks_sync(tool: BaseTool) -> bool:
    """Whether a tool can only be awaited. A ``_run`` or ``_arun`` that raises NotImplementedError counts as none."""
    if not _is_method(tool, "_run"):
        return _function(tool) is None
    return _is_method(tool, "_arun") and _is_stub(tool._run) and not _is_stub(tool._arun)


def _is_stub(method: Callable[..., Any]) -> bool:
    code = getattr(method, "__code__", None)
    return code is not None and "NotImplementedError" in code.co_names


def _filler(
    function: Callable[..., Any] | None,
    is_method: bool,
    manager: type[CallbackManagerForToolRun] | type[AsyncCallbackManagerForToolRun],
) -> Callable[[dict[str, Any]], None]:
    """What puts the arguments that LangChain supplies itself in the place of those a caller gave under their names."""
    parameters = _parameters(function)
    supplied: dict[str, Callable[[], Any]] = {}
    if is_method and "run_manager" in parameters:
        supplied["run_manager"] = manager.get_noop_manager
    if not is_method and "callbacks" in parameters:
        supplied["callbacks"] = lambda: manager.get_noop_manager().get_child()
    if config := config_parameter(function):
        supplied[config] = ensure_config
    dropped = () if is_method else tuple(name for name in _RUN_ARGUMENTS if name not in parameters)

    def fill(named: dict[str, Any]) -> None:
        for name in dropped:
            named.pop(name, None)
        for name, supply in supplied.items():
            named[name] = supply()

    return fill


def _parameters(function: Callable[..., Any] | None) -> Mapping[str, inspect.Parameter]:
    try:
        return {} if function is None else inspect.signature(function).parameters
    except (TypeError, ValueError):  # some functions written in C have none to show
        return {}


def _raise_if_unfit(
    function: Callable[..., Any], positional: tuple[Any, ...], named: dict[str, Any], error: TypeError
) -> None:
    """Raise :class:`ArgumentsInvalid` when the TypeError is that of a call whose arguments do not match."""
    if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
        return  # it was raised inside the function
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*positional, **named)
    except TypeError as mismatch:
        raise ArgumentsInvalid(f"The arguments do not fit: {mismatch}.") from error


def _raise_if_refused(error: Any) -> None:
    """Raise :class:`ArgumentsInvalid` when LangChain raised the error while it read the arguments."""
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_name in ("_to_args_and_kwargs", "_parse_input"):
            raise ArgumentsInvalid(*sentences_of(error)) from error
        traceback = traceback.tb_next


def _content_of(output: Any) -> Any:
    return output.content if isinstance(output, ToolMessage) else output
