"""The text in a clause that is data and stands in no quotation marks: what follows the words that chose the tool."""

from collections.abc import Container, Sequence, Set

from cadence.chat.offline.arithmetic import reference_at
from cadence.chat.offline.clauses import Clause
from cadence.chat.offline.tokens import LINE, QUOTED, WORD, Token
from cadence.chat.offline.vocabulary import wordset
from cadence.chat.offline.words import FUNCTION

PREPOSITIONS = wordset("of for in to about on from with into at by as within saying between")
_TRAILING = frozenset(("please", "?", ",", "and", "with", "using", "thanks", ";"))
#: Verbs that move a text somewhere: "put this in capital letters".
_MOVING = wordset("convert turn put make change write translate transform say spell render set")
_CALLING = wordset("call ask use run execute let tell")
_BEFORE_A_FORM = PREPOSITIONS | {"the", "a", "all"}
#: Words that name a text and are none.
_NAMES_OF_TEXT = wordset("text word words sentence string phrase following value")


def rest(clause: Clause, hits: Set[int], used: Container[int]) -> tuple[Token, ...]:
    """The tokens that are data.

    :param hits: places of the words that speak for the tool.
    :param used: places of tokens that belong to other parameters.
    """
    tokens = clause.tokens
    hits = {at for at in hits if tokens[at].text not in _MOVING} or hits
    colon = next((at for at, token in enumerate(tokens) if token.text == ":" and at not in used), None)
    if colon is not None and colon + 1 < len(tokens):
        return _trimmed(tokens, colon + 1, used)
    found = _trimmed(tokens, _behind(tokens, hits), used)
    return found if _says_something(found) else _in_front(tokens, hits, used)


def chunks(tokens: Sequence[Token], used: Container[int]) -> list[tuple[tuple[str, ...], tuple[Token, ...]]]:
    """Data split at prepositions and around quotations: the words before each part, and its tokens.

    :param used: where tokens begin that belong to other parameters.
    """
    found: list[tuple[tuple[str, ...], tuple[Token, ...]]] = []
    words: list[str] = []
    part: list[Token] = []
    for token in tokens:
        if token.text in PREPOSITIONS or token.kind == QUOTED or token.start in used:
            if part:
                found.append((tuple(words), tuple(part)))
                words, part = [], []
            if token.kind == QUOTED:
                found.append((tuple(words), (token,)))
                words = []
            else:
                words.append(token.text)
        else:
            part.append(token)
    return [*found, (tuple(words), tuple(part))] if part else found


def is_reference(tokens: Sequence[Token]) -> bool:
    """Whether data is only "it", "that", "the result", "that text"."""
    if not tokens:
        return False
    end = reference_at(tokens, 0)
    if end is not None and all(token.kind != WORD for token in tokens[end:]):
        return True
    return tokens[0].text in ("that", "this", "its") and all(token.text in _NAMES_OF_TEXT for token in tokens[1:])


def wording(clause: Clause, tokens: Sequence[Token]) -> str:
    """Data as it was written."""
    if not tokens:
        return ""
    if len(tokens) == 1 and tokens[0].kind == QUOTED:
        return str(tokens[0].value)
    return clause.text[tokens[0].start - clause.start : tokens[-1].end - clause.start]


def _behind(tokens: Sequence[Token], hits: Container[int]) -> int:
    """Where data begins behind the words that chose the tool."""
    last = None
    for at, token in enumerate(tokens):
        if at in hits:
            last = at
        elif last is not None and token.text in PREPOSITIONS:
            return at + 1
        elif last is not None and token.text not in FUNCTION:
            return last + 1
    if last is not None:
        return len(tokens)
    return next((at + 1 for at, token in enumerate(tokens) if token.text in PREPOSITIONS), 0)


def _in_front(tokens: Sequence[Token], hits: Container[int], used: Container[int]) -> tuple[Token, ...]:
    """Data before them: "convert hello to upper case"."""
    first = next((at for at in range(len(tokens)) if at in hits), 0)
    if any("_" in token.text or token.text in _CALLING for token in tokens[:first]):
        return ()
    start = 0
    while start < first and (
        tokens[start].text in FUNCTION or tokens[start].text == "please" or tokens[start].text in _MOVING
    ):
        start += 1
    while first > start and tokens[first - 1].text in _BEFORE_A_FORM:
        first -= 1
    found = tuple(token for at, token in enumerate(tokens[start:first], start) if at not in used)
    return found if _says_something(found) else ()


def _trimmed(tokens: Sequence[Token], start: int, used: Container[int]) -> tuple[Token, ...]:
    end = next((at for at in range(start, len(tokens)) if at in used), len(tokens))
    dangling = _TRAILING | PREPOSITIONS if end < len(tokens) else _TRAILING
    while end > start and (tokens[end - 1].text in dangling or tokens[end - 1].kind == LINE):
        end -= 1
    while start < end and tokens[start].kind == LINE:
        start += 1
    return tuple(tokens[start:end])


def _says_something(tokens: Sequence[Token]) -> bool:
    if is_reference(tokens):
        return True
    return any(
        token.kind != WORD or (token.text not in FUNCTION and token.text not in _NAMES_OF_TEXT) for token in tokens
    )
