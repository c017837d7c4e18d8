"""Conversations: the agents and tools of the live plugins answer in a LangGraph graph.

``langgraph`` and ``langchain`` take a second to import, so the modules that need them are imported when a turn first
needs them: :mod:`cadence.chat.values` and :mod:`cadence.chat.conversations` are not among those.
"""
