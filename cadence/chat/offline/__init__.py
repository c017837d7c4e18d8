"""The embedded default model: rules that choose agent and tool by the words of a message, without key or network."""

from cadence.chat.offline.model import OfflineModel

__all__ = ["OfflineModel"]
