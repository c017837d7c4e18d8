"""The clauses of a message: what is asked for in it, one thing each, in the person's words."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec import Struct

from cadence.chat.offline.tokens import LINE, NUMBER, WORD, Token

#: Says of tokens and a place among them whether a thing to do, or a question, begins there.
Begins: TypeAlias = Callable[[Sequence[Token], int], bool]
_JOINING = frozenset(("and", "also", "but", "&", ","))
_SEQUEL = frozenset(("then", "afterwards", "afterward", "thereafter"))
#: Before these, "then" is no step of its own.
_BEFORE_THEN = frozenset(("if", "since", "until", "till", "by", "back", "from"))
_ABBREVIATED = frozenset(("etc", "mr", "mrs", "ms", "dr", "st", "vs", "no", "nr", "approx"))
_BULLETS = frozenset(("-", "*", "•", "\u2013"))
_OPENING = {"(": ")", "[": "]", "{": "}"}


class Clause(Struct, frozen=True):
    """One thing that is asked for: its ``text``, from ``start`` to before ``end`` of the message, as tokens.

    ``joined`` is whether it hangs on what comes before it ("and"), ``sequel`` whether it has to follow it ("then").
    """

    text: str
    start: int
    end: int
    tokens: tuple[Token, ...]
    joined: bool = False
    sequel: bool = False


class _Cut(Struct, frozen=True):
    """Where a clause ends and the next one begins, as places of tokens."""

    end: int
    next: int
    joined: bool = False
    sequel: bool = False


def clauses(text: str, tokens: Sequence[Token], begins: Begins) -> list[Clause]:
    """Split a message into what it asks for.

    It is split at the ends of sentences, at lines, semicolons and "then", in numbered lists, and at "and" and commas
    where something to do follows; never within brackets, quotations or enumerations.

    :param text: the message that ``tokens`` are of.
    """
    found: list[Clause] = []
    partners = _partners(tokens)
    last = _skipped(tokens, _Cut(0, 0))
    at = last.next
    while at < len(tokens):
        if at in partners:
            at = partners[at] + 1
        elif (passage := _passage(tokens, at, begins)) is not None:
            at = passage
        elif (cut := _cut(tokens, last.next, at, begins)) is not None:
            _keep(found, text, tokens, last, cut.end)
            last, at = cut, cut.next
        else:
            at += 1
    _keep(found, text, tokens, last, len(tokens))
    return found


def _keep(found: list[Clause], text: str, tokens: Sequence[Token], begun: _Cut, end: int) -> None:
    part = tuple(tokens[begun.next : end])
    if any(token.kind != LINE and (token.kind != "sign" or token.text not in ".,;:!?") for token in part):
        start, stop = part[0].start, part[-1].end
        found.append(Clause(text[start:stop], start, stop, part, begun.joined, begun.sequel))


def _cut(tokens: Sequence[Token], first: int, at: int, begins: Begins) -> _Cut | None:
    token = tokens[at]
    if token.kind == LINE or token.text == ";":
        return _skipped(tokens, _Cut(at, at + 1))
    if token.text in (".", "!", "?"):
        return _skipped(tokens, _Cut(at + (token.text != "."), at + 1)) if _ends(tokens, first, at) else None
    if token.text in _SEQUEL or (token.text == "after" and _text(tokens, at + 1) == "that"):
        follows = at + 1 + (token.text == "after")
        return None if _text(tokens, at - 1) in _BEFORE_THEN else _skipped(tokens, _Cut(at, follows, True, True))
    if token.text in _JOINING:
        cut = _skipped(tokens, _Cut(at, at + 1, True))
        return cut if cut.sequel or begins(tokens, cut.next) else None
    if token.text == ":":
        cut = _skipped(tokens, _Cut(at + 1, at + 1))
        return cut if begins(tokens, cut.next) else None
    return None


def _skipped(tokens: Sequence[Token], cut: _Cut) -> _Cut:
    """The same cut, with the next clause behind the words that join it, and behind its number in a list."""
    at, joined, sequel = cut.next, cut.joined, cut.sequel
    while at < len(tokens):
        token = tokens[at]
        if token.kind == LINE or token.text in _JOINING or token.text in _SEQUEL or token.text in (";", "please"):
            joined = joined or token.text in _JOINING
            sequel = sequel or token.text in _SEQUEL
            at += 1
        elif _is_list_number(tokens, at):
            at += 2
        elif token.text in _BULLETS and _gap(tokens, at) and (at == 0 or tokens[at - 1].kind == LINE):
            at += 1
        else:
            break
    return _Cut(cut.end, at, joined or sequel, sequel)


def _ends(tokens: Sequence[Token], first: int, at: int) -> bool:
    """Whether a sentence ends with the sign there."""
    if at + 1 < len(tokens) and not _gap(tokens, at) and tokens[at + 1].kind != LINE:
        return False
    before = _text(tokens, at - 1)
    short = len(before) == 1 and _text(tokens, at - 2) == "." and at - 2 >= first
    return tokens[at].text != "." or not (short or before in _ABBREVIATED)


def _passage(tokens: Sequence[Token], at: int, begins: Begins) -> int | None:
    """Where the text ends that follows a colon and is no thing to do: after it comes nothing, or an empty line."""
    if tokens[at].text != ":" or not (_gap(tokens, at) or (at + 1 < len(tokens) and tokens[at + 1].kind == LINE)):
        return None
    start = _skipped(tokens, _Cut(at, at + 1)).next
    if start >= len(tokens) or not tokens[start].text[:1].isalpha() or begins(tokens, start):
        return None
    while start < len(tokens) and not (tokens[start].kind == LINE and _kind(tokens, start + 1) == LINE):
        start += 1
    return start


def _is_list_number(tokens: Sequence[Token], at: int) -> bool:
    """``1.`` or ``1)`` at the begin of a line."""
    if tokens[at].kind != NUMBER or at + 2 >= len(tokens) or tokens[at + 1].text not in (".", ")"):
        return False
    if at and tokens[at - 1].kind != LINE:
        return False
    return tokens[at].end == tokens[at + 1].start and _gap(tokens, at + 1) and tokens[at + 2].kind == WORD


def _gap(tokens: Sequence[Token], at: int) -> bool:
    """Whether there is space behind a token."""
    return at + 1 < len(tokens) and tokens[at].end < tokens[at + 1].start


def _text(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].text if 0 <= at < len(tokens) else ""


def _kind(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].kind if at < len(tokens) else LINE


def _partners(tokens: Sequence[Token]) -> dict[int, int]:
    """For each bracket that is closed, where."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for at, token in enumerate(tokens):
        if token.text in _OPENING:
            opened.append(at)
        elif opened and token.text == _OPENING[tokens[opened[-1]].text]:
            found[opened.pop()] = at
    return found
