"""Expressions in a clause: ``2 + 3 * 4``, ``(1 + 2) / 3``, ``12 times 7 plus 5``, ``the sum of 3 and 4 times 2``.

Precedence climbing over the tokens (https://en.wikipedia.org/wiki/Operator-precedence_parser). Operators are those of
mathematics, in signs or in words; a phrase such as "the sum of 3 and 4" is one operand of what follows it.
"""

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct

from cadence.chat.offline.tokens import NUMBER, SIGN, WORD, Token
from cadence.chat.offline.vocabulary import wordset
from cadence.chat.offline.words import SIGNS

#: Operations of one expression that are looked at, and brackets within brackets.
MOST_OPERATIONS = 50
_DEEPEST = 20
_RANK = {"add": 1, "subtract": 1, "multiply": 2, "divide": 2, "modulo": 2, "power": 3}
_IN_WORDS = {
    ("plus",): "add",
    ("added", "to"): "add",
    ("minus",): "subtract",
    ("less",): "subtract",
    ("times",): "multiply",
    ("x",): "multiply",
    ("multiplied", "by"): "multiply",
    ("multiplied", "with"): "multiply",
    ("divided", "by"): "divide",
    ("over",): "divide",
    ("modulo",): "modulo",
    ("mod",): "modulo",
    ("to", "the", "power", "of"): "power",
    ("to", "the", "power"): "power",
    ("raised", "to", "the", "power", "of"): "power",
    ("raised", "to", "the", "power"): "power",
    ("raised", "to"): "power",
}
_FUNCTIONS = {
    "sum": "add",
    "total": "add",
    "product": "multiply",
    "difference": "subtract",
    "quotient": "divide",
    "ratio": "divide",
}
_FACTORS = {"double": ("multiply", 2), "twice": ("multiply", 2), "triple": ("multiply", 3), "half": ("divide", 2)}
_POWERS = {"squared": 2, "cubed": 3}
_RESULTS = wordset("result sum product total answer difference quotient outcome")
#: After these, ``that`` and ``this`` stand for something, and not beside a noun.
_AFTER_THAT = wordset(
    "plus minus times x multiplied divided over modulo mod squared cubed to by from and with into is in raised then"
    " again please less added"
)


class Reference(Struct, frozen=True):
    """The result of a call: that of the job of this number, or, where it is None, of what came before."""

    job: int | None = None


class Operation(Struct, frozen=True):
    """An operation of arithmetic on two operands."""

    name: str
    left: "Operand"
    right: "Operand"


Operand: TypeAlias = int | float | Reference | Operation


class Figure(Struct, frozen=True):
    """An operand in a clause, from the token ``first`` to before ``last``; no ``value`` where it is too long."""

    first: int
    last: int
    value: Operand | None


def figures(tokens: Sequence[Token]) -> list[Figure]:
    """The numbers, references and expressions of a clause, in order, each as long as it can be."""
    found: list[Figure] = []
    partners = _partners(tokens)
    at = 0
    while at < len(tokens):
        reader = _Reader(tokens, partners)
        read = reader.expression(at)
        if read is None:
            at += 1
        else:
            value, end = read
            found.append(Figure(at, end, None if reader.operations > MOST_OPERATIONS else value))
            at = end
    return found


def operator_at(tokens: Sequence[Token], at: int) -> tuple[str, int, bool] | None:
    """The operator that begins there: its name, where it ends, and whether it is a sign."""
    if at >= len(tokens):
        return None
    if tokens[at].kind == SIGN:
        name = SIGNS.get(tokens[at].text)
        return (name, at + 1, True) if name else None
    ahead = tuple(token.text for token in tokens[at : at + 5])
    for length in range(len(ahead), 0, -1):
        if name := _IN_WORDS.get(ahead[:length]):
            return name, at + length, False
    return None


def reference_at(tokens: Sequence[Token], at: int) -> int | None:
    """Where the words that stand for the result before end, if such begin there."""
    text = tokens[at].text
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    if text == "it":
        return at + 1
    if text in ("that", "this"):
        if following and following.text in _RESULTS:
            return at + 2
        return at + 1 if following is None or following.kind != WORD or following.text in _AFTER_THAT else None
    if text == "the" and following:
        end = at + 2 if following.text in ("last", "previous", "first") else at + 1
        named = end < len(tokens) and tokens[end].text in _RESULTS
        after = tokens[end + 1].text if end + 1 < len(tokens) else ""
        return end + 1 if named and after not in ("of", "between") else None
    return None


def mentions(value: object) -> bool:
    """Whether a value is, or is calculated from, the result before."""
    if isinstance(value, Operation):
        return mentions(value.left) or mentions(value.right)
    return isinstance(value, Reference)


class _Reader:
    """Reads one expression; each method gives a value and where it ends, or None."""

    def __init__(self, tokens: Sequence[Token], partners: dict[int, int]) -> None:
        self.tokens = tokens
        self.partners = partners
        self.operations = 0
        self.listing = 0

    def expression(self, at: int, least: int = 1, depth: int = 0, *, signs: bool = False) -> tuple[Operand, int] | None:
        """Operands and the operators between them that bind at least so strongly; with ``signs`` no words of them."""
        read = self._operand(at, depth) if depth < _DEEPEST else None
        while read is not None:
            operator = operator_at(self.tokens, read[1])
            if operator is None or _RANK[operator[0]] < least or (signs and not operator[2]):
                break
            name, end, _ = operator
            right = self.expression(end, _RANK[name] + (name != "power"), depth + 1, signs=signs)
            if right is None:
                break
            read = self._joined(name, read[0], right[0]), right[1]
        return read

    def _joined(self, name: str, left: Operand, right: Operand) -> Operand:
        self.operations += 1
        return left if self.operations > MOST_OPERATIONS else Operation(name, left, right)

    def _operand(self, at: int, depth: int) -> tuple[Operand, int] | None:
        read = self._simple(at, depth)
        while read is not None and read[1] < len(self.tokens) and self.tokens[read[1]].text in _POWERS:
            read = self._joined("power", read[0], _POWERS[self.tokens[read[1]].text]), read[1] + 1
        return read

    def _simple(self, at: int, depth: int) -> tuple[Operand, int] | None:
        if at >= len(self.tokens):
            return None
        token = self.tokens[at]
        if token.kind == NUMBER:
            return token.value, at + 1
        if token.text == "(" and at in self.partners:
            return self._bracketed(at, depth)
        if token.text in ("-", "\u2212", "+"):
            return self._signed(at)
        if (end := reference_at(self.tokens, at)) is not None:
            return Reference(), end
        return self._phrase(at + (token.text == "the"), depth)

    def _bracketed(self, at: int, depth: int) -> tuple[Operand, int] | None:
        read = self.expression(at + 1, depth=depth + 1)
        end = self.partners[at]
        return (read[0], end + 1) if read is not None and read[1] == end else None

    def _signed(self, at: int) -> tuple[Operand, int] | None:
        following = self.tokens[at + 1] if at + 1 < len(self.tokens) else None
        if following is None or following.kind != NUMBER or following.start != self.tokens[at].end:
            return None
        return (following.value if self.tokens[at].text == "+" else -following.value), at + 2

    def _phrase(self, at: int, depth: int) -> tuple[Operand, int] | None:
        """``sum of 3 and 4``, ``twice 5``, ``square of 5``."""
        text = self.tokens[at].text if at < len(self.tokens) else ""
        following = self.tokens[at + 1].text if at + 1 < len(self.tokens) else ""
        if text in _FUNCTIONS and following in ("of", "between"):
            return self._listed(_FUNCTIONS[text], at + 2, depth)
        if text in _FACTORS or (text == "square" and following == "of"):
            read = self.expression(at + 1 + (following == "of"), 3, depth + 1, signs=True)
            name, factor = _FACTORS.get(text, ("power", 2))
            return (self._joined(name, read[0], factor), read[1]) if read else None
        return None

    def _listed(self, name: str, at: int, depth: int) -> tuple[Operand, int] | None:
        """``3 and 4``, ``3, 4 and 5``: two at least, and no more within another such list."""
        self.listing += 1
        read = self.expression(at, depth=depth + 1, signs=True)
        count = 1
        while read is not None and (count == 1 or self.listing == 1):
            following = self._after_comma(read[1])
            right = self.expression(following, depth=depth + 1, signs=True) if following else None
            if right is None:
                break
            read = self._joined(name, read[0], right[0]), right[1]
            count += 1
        self.listing -= 1
        return read if count > 1 else None

    def _after_comma(self, at: int) -> int | None:
        start = at
        while at < len(self.tokens) and at < start + 2 and self.tokens[at].text in (",", "and", "&"):
            at += 1
        return at if at > start else None


def _partners(tokens: Sequence[Token]) -> dict[int, int]:
    """For each round bracket that is closed, where."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for at, token in enumerate(tokens):
        if token.text == "(":
            opened.append(at)
        elif token.text == ")" and opened:
            found[opened.pop()] = at
    return found
