"""What a word is about: its stem, and for words that mean the same, one concept."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from cadence.chat.offline.tokens import NUMBER, WORD, Token
from cadence.chat.offline.vocabulary import wordset

#: What people say to be kind.
GREETINGS = wordset("hello hi hey thanks thank ok okay yes no please")
#: Words that only hold others together.
FUNCTION = wordset("""
    a an the this that these those it its is are was were be been am do does did can could would will shall should may
    might must i you he she we they me my your our their his her us them and or but if so as at by for from in into of
    on onto to up with without than then there here what which who whom whose when where why how also just now not some
    any all each every out off over under again more most other such only own same too very want need like let have has
    had much many lot say use using via
""")
#: Words that say nothing about what is wanted.
STOP = FUNCTION | GREETINGS | {"one", "two"}
#: Words that half of all tools have in their names: alone they choose none.
WEAK = wordset(
    "get set do make run read write tell show list find give info information data tool plugin agent value new create"
    " call count return compute process handle perform execute item thing result system service number tak"
)
_SAME = {
    "add": "plus sum total addition adder adding summation increase",
    "subtract": "minus difference subtraction subtracting deduct decrease reduce away",
    "multiply": "product multiplication multiplied double twice triple",
    "divide": "quotient division divided divisor ratio half halve",
    "power": "exponent exponentiate exponentiation raise raised squared cubed pow square cube",
    "modulo": "remainder mod modulus",
    "root": "sqrt",
    "average": "mean avg",
    "maximum": "max largest biggest highest greatest",
    "minimum": "min smallest lowest least",
    "calculate": "calculator calculation compute evaluate evaluation arithmetic math maths mathematics"
    " expression formula equation",
    "upper": "uppercase capitalize capitalise",
    "lower": "lowercase",
    "count": "counter counting",
    "character": "char letter chars letters",
    "reverse": "backwards backward reversed",
    "replace": "substitute swap",
    "temperature": "warm hot cold degrees celsius fahrenheit",
    "weather": "forecast",
    "repair": "fix mend",
    "remove": "delete erase",
    "search": "lookup",
    "time": "clock oclock",
    "mail": "email",
    "wait": "sleep pause",
}
#: Two words that are one concept.
_PAIRS = {
    ("upper", "case"): "upper",
    ("capital", "letters"): "upper",
    ("in", "capitals"): "upper",
    ("lower", "case"): "lower",
    ("small", "letters"): "lower",
    ("how", "many"): "count",
    ("number", "of"): "count",
    ("look", "up"): "search",
    ("square", "root"): "root",
    ("e", "mail"): "mail",
    ("what", "time"): "time",
}
SIGNS = {
    "+": "add",
    "-": "subtract",
    "\u2212": "subtract",
    "\u2013": "subtract",
    "*": "multiply",
    "x": "multiply",
    "\u00d7": "multiply",
    "·": "multiply",
    "/": "divide",
    "÷": "divide",
    "^": "power",
    "**": "power",
    "%": "modulo",
}
#: Words that are operators between numbers, and else are not.
_OPERATORS = {"x": "multiply", "less": "subtract", "over": "divide"}
_PARTS = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LONGEST_WORD = 40
_ENDINGS = ("ation", "ment", "ing", "ed", "ion", "ate", "or", "er", "ly")
_UNDOUBLED = frozenset("bgmnprt")


def stem(word: str) -> str:
    """A word in lower case without its ending: ``counting``, ``counts``, ``count`` are one."""
    return _stem(word[:_LONGEST_WORD])


@lru_cache(maxsize=8192)
def _stem(word: str) -> str:
    word = word.partition("'")[0].partition("\u2019")[0]
    if len(word) <= 3:
        return word
    if word.endswith("ies") or word.endswith("ied"):
        word = f"{word[:-3]}y"
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= (3 if ending in ("ing", "ed") else 4):
            word = word[: -len(ending)]
            if ending in ("ing", "ed") and word[-1] == word[-2] and word[-1] in _UNDOUBLED:
                word = word[:-1]
            break
    return word.rstrip("e") if len(word) > 3 else word


_CONCEPT = {stem(word): stem(concept) for concept, same in _SAME.items() for word in (concept, *same.split())}
#: The concepts of the operations of arithmetic.
OPERATIONS = frozenset(stem(name) for name in SIGNS.values())
_WEAK = frozenset(stem(word) for word in WEAK)


def concept(word: str) -> str:
    """What a word in lower case is about."""
    known = stem(word)
    return _CONCEPT.get(known, known)


def is_weak(known: str) -> bool:
    """Whether a concept chooses nothing alone."""
    return known in _WEAK


def parts(name: str) -> tuple[str, ...]:
    """``count_words``, ``countWords`` and ``count-words`` as words in lower case."""
    return tuple(part.lower() for part in _PARTS.findall(_CAMEL.sub(" ", name)))


def concepts_of(text: str) -> list[str]:
    """The concepts of a text that describes something, in order, without words that say nothing."""
    return _concepts([part for word in text.split() for part in parts(word)])


def _concepts(words: Sequence[str]) -> list[str]:
    found = []
    for at, word in enumerate(words):
        pair = _PAIRS.get((word, words[at + 1])) if at + 1 < len(words) else None
        if pair or word not in STOP:
            found.append(stem(pair) if pair else concept(word))
    return found


def heard(tokens: Sequence[Token]) -> dict[int, str]:
    """The concepts of a clause, by the place of the token that says it. Signs count between numbers only."""
    found: dict[int, str] = {}
    for at, token in enumerate(tokens):
        following = tokens[at + 1] if at + 1 < len(tokens) else None
        if at in found:
            continue
        if token.kind == WORD:
            if following and (pair := _PAIRS.get((token.text, following.text))):
                found[at] = found[at + 1] = stem(pair)
            elif known := _of_word(token, tokens[at - 1] if at else None, following):
                found[at] = known
        elif token.text in SIGNS and _between(tokens, at):
            found[at] = stem(SIGNS[token.text])
    return found


def _of_word(token: Token, before: Token | None, after: Token | None) -> str | None:
    if _is_operator(token, before, after):
        return stem(_OPERATORS[token.text])
    if token.text == "times":
        return None if before and before.text in ("many", "few") else stem("multiply")
    if token.text in STOP or "_" in token.text:
        return None
    return concept(token.text)


def _is_operator(token: Token, before: Token | None, after: Token | None) -> bool:
    return (
        token.text in _OPERATORS
        and before is not None
        and after is not None
        and (before.kind == NUMBER or before.text == "it")
        and after.kind == NUMBER
    )


def _between(tokens: Sequence[Token], at: int) -> bool:
    if not 0 < at < len(tokens) - 1:
        return False
    before, after = tokens[at - 1], tokens[at + 1]
    return (before.kind == NUMBER or before.text in (")", "it", "that")) and (
        after.kind == NUMBER or after.text in ("(", "-", "it", "that")
    )


def is_calculation(found: dict[int, str], tokens: Iterable[Token]) -> bool:
    """Whether a clause names an operation of arithmetic, and a number."""
    return not OPERATIONS.isdisjoint(found.values()) and any(token.kind == NUMBER for token in tokens)
