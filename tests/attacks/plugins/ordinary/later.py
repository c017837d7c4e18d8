"""Imported by whoever needs it, when it is needed."""

ANSWER = 42
