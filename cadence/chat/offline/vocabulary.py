"""Lists of words, as they are written down."""


def wordset(words: str) -> frozenset[str]:
    """The words of a text, each once."""
    return frozenset(words.split())
