"""A message that only answers a question of the offline model ("7"), joined with the one that it asked about."""

from collections.abc import Sequence
from itertools import pairwise

from cadence.chat.offline.clauses import clauses
from cadence.chat.offline.exchange import AI, HUMAN, Message
from cadence.chat.offline.tokens import QUOTED, Token, read
from cadence.chat.offline.vocabulary import wordset
from cadence.chat.offline.wording import Asked, asked
from cadence.chat.offline.words import concept, concepts_of

_NO_ANSWER = wordset("help cancel stop never nevermind nothing no thanks quit forget")
_LONGEST_ANSWER = 2000
_MOST_QUESTIONS = 8


def joined(past: Sequence[Message], reply: str) -> str | None:
    """The message that a reply completes, with what it says; None where nothing was asked, or it is no answer.

    :param past: the turns before, questions of a person and answers by turns.
    """
    words = reply.strip()
    if not words or len(words) > _LONGEST_ANSWER or words.lower().split()[0].strip(",.!") in _NO_ANSWER:
        return None
    begun = _begun(past)
    return None if begun is None else _completed(*begun, words)


def _begun(past: Sequence[Message]) -> tuple[str, Asked] | None:
    """What the person said that a question was asked about, with what was supplied since; and the question."""
    replies: list[tuple[str, Asked]] = []
    for message, answer in _pairs(past):
        question = asked(answer.text)
        if question is None or (replies and replies[-1][1].tool != question.tool) or len(replies) == _MOST_QUESTIONS:
            break
        replies.append((message.text, question))
    if not replies:
        return None
    text, question = replies.pop()
    text = _about(text, question.tool)
    while replies:
        supplied, following = replies.pop()
        text, question = _completed(text, question, supplied.strip()), following
    return text, question


def _pairs(past: Sequence[Message]) -> list[tuple[Message, Message]]:
    """What was asked and answered, the latest first."""
    pairs = [(said, told) for said, told in pairwise(past) if said.role == HUMAN and told.role == AI]
    return pairs[: -_MOST_QUESTIONS - 2 : -1]


def _completed(text: str, question: Asked, reply: str) -> str:
    text = text.rstrip(" .?!,;\n")
    names = [name for name, _ in question.parameters]
    if len(names) > 1 or any(
        reply.lower().startswith((f"{name}=", f"{name} =", f"{name}:")) for name in map(str.lower, names)
    ):
        return f"{text}, {reply}"
    return f"{text}, {names[0]} = {_quoted(reply) if question.wants_text else reply}"


def _quoted(reply: str) -> str:
    if any(token.kind == QUOTED for token in read(reply)):
        return reply
    return f'"{reply}"' if '"' not in reply else f"`{reply}`"


def _about(text: str, tool: str) -> str:
    """Of what the person said, the last clause that has to do with the tool; all of it where none has."""
    known = set(concepts_of(tool))

    def begins(tokens: Sequence[Token], at: int) -> bool:
        return at < len(tokens) and concept(tokens[at].text) in known

    parts = clauses(text, read(text), begins)
    fitting = [part.text for part in parts if known & {concept(token.text) for token in part.tokens}]
    return fitting[-1] if fitting else text
