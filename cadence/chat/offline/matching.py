"""Which of several things a clause is about: by the words that it shares with their names and descriptions."""

import math
from collections.abc import Container, Iterable, Sequence

from msgspec import Struct

from cadence.chat.offline.clauses import Clause
from cadence.chat.offline.tokens import NUMBER, QUOTED, WORD, Token
from cadence.chat.offline.vocabulary import wordset
from cadence.chat.offline.words import concept, concepts_of, heard, is_calculation, is_weak, parts, stem

NAME, VERB, CAPABILITY, MENTION = 3.0, 2.5, 2.0, 1.0
_NAMED = 100.0
#: A hint is too little to choose by, and enough to decide between two.
_HINT = 0.25
#: What half of all tools are called says little.
_FAINT = 0.4
_KINDS_OF_NAMES = frozenset(("plugin", "agent", "tool"))
#: Words before the thing to do, and words that a question begins with.
_POLITE = wordset(
    "please also can could would will you i want to need like now just me finally next first second third lastly let us"
    " kindly i'd i'll he she we they"
)
_QUESTIONS = wordset("what what's whats how when where which why who calculate compute tell give show")
_MOST_POLITE = 6
#: Names of more parts are not looked for, nor are names in longer quotations.
_LONGEST_NAME = 8
_LONGEST_QUOTED = 80


class Candidate(Struct, frozen=True):
    """Something to choose.

    ``names`` are those that choose it outright, as their parts, ``weights`` those of the concepts that speak for it,
    ``actions`` the concepts of the verbs that begin a clause about it.
    """

    name: str
    names: frozenset[tuple[str, ...]]
    weights: dict[str, float]
    actions: frozenset[str]


class Match(Struct, frozen=True):
    """How well a candidate fits: ``weight`` is what it shares, ``score`` the same with rare words counting more."""

    name: str
    weight: float
    score: float


def candidate(
    name: str, texts: Iterable[tuple[float, str]], names: Iterable[str] = (), *, acts: bool = True
) -> Candidate:
    """A candidate.

    :param texts: what is said about it, with the weight of the words.
    :param names: further names that choose it outright, such as those of an agent's tools.
    :param acts: whether its own name begins with a verb.
    """
    weights: dict[str, float] = {}
    actions: set[str] = set()
    for weight, text in [(NAME, name), *texts]:
        known = concepts_of(text)
        if weight in (NAME, VERB) and known:
            actions.add(known[0])
        for at, word in enumerate(known):
            this = MENTION if weight == VERB and at else weight
            if is_weak(word) and not (weight == NAME and len(known) == 1):
                this = _FAINT
            weights[word] = max(min(this, weight), weights.get(word, 0.0))
    actions -= set() if acts else set(concepts_of(name))
    return Candidate(name, _outright(name, names), weights, frozenset(actions))


def _outright(name: str, others: Iterable[str]) -> frozenset[tuple[str, ...]]:
    own = parts(name)
    core = tuple(part for part in own if part not in _KINDS_OF_NAMES)
    known = {own, *((*core, kind) for kind in _KINDS_OF_NAMES if core)}
    known |= {several for other in others if len(several := parts(other)) > 1}
    return frozenset(one for one in known if 0 < len(one) <= _LONGEST_NAME)


class Matcher:
    """Chooses among candidates. What many of them share counts little (inverse document frequency).

    :ivar order: the names, in the order in which they are offered.
    """

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self.order = [one.name for one in candidates]
        self._having: dict[str, list[Candidate]] = {}
        self._named: dict[tuple[str, ...], list[str]] = {}
        for one in candidates:
            for word in one.weights:
                self._having.setdefault(word, []).append(one)
            for name in one.names:
                self._named.setdefault(name, []).append(one.name)
        self._lengths = sorted({len(name) for name in self._named})
        self._actions = frozenset(action for one in candidates for action in one.actions)

    def begins(self, tokens: Sequence[Token], at: int) -> bool:
        """Whether a thing to do, or a question, begins with the token there (see :data:`Begins`)."""
        for place, token in enumerate(tokens[at : at + _MOST_POLITE], at + 1):
            if token.kind != WORD or (place < len(tokens) and tokens[place].text == "="):
                return False
            if token.text in _QUESTIONS or concept(token.text) in self._actions or self._is_name(token):
                return True
            if token.text not in _POLITE:
                return False
        return False

    def matches(self, clause: Clause, ignored: Container[int] = ()) -> list[Match]:
        """The candidates that a clause names or shares a word with, the best first.

        :param ignored: places of tokens that do not count.
        """
        weights: dict[str, float] = {}
        scores: dict[str, float] = {}
        for name, weight, score in [*self._shared(clause, ignored), *self._called(clause)]:
            weights[name] = weights.get(name, 0.0) + weight
            scores[name] = scores.get(name, 0.0) + score
        found = [Match(name, weights[name], scores[name]) for name in self.order if weights.get(name)]
        return sorted(found, key=lambda match: -match.score)

    def _shared(self, clause: Clause, ignored: Container[int]) -> Iterable[tuple[str, float, float]]:
        found = {at: known for at, known in heard(clause.tokens).items() if at not in ignored}
        wanted = list(dict.fromkeys(found.values()))
        if is_calculation(found, clause.tokens) and stem("calculate") not in wanted:
            wanted.append(stem("calculate"))
        leading = next((word for word in wanted if not is_weak(word)), "")
        for word in wanted:
            having = self._having.get(word, [])
            rarity = math.log(1 + len(self.order) / max(1, len(having)))
            for one in having:
                covered = _HINT / max(1, len(one.actions)) if word in one.actions else 0.0
                first = _HINT if word == leading else 0.0
                yield one.name, one.weights[word], one.weights[word] * rarity + covered + first
        if any(token.kind == NUMBER for token in clause.tokens):
            for one in self._having.get(stem("number"), []):
                yield one.name, 0.0, _HINT

    def _called(self, clause: Clause) -> Iterable[tuple[str, float, float]]:
        """Those that are named outright: ``math_plugin``, "the math agent", `` `add` ``."""
        words = [_spelled(token) for token in clause.tokens]
        for at, token in enumerate(clause.tokens):
            names = list(self._named.get(words[at], [])) if self._is_name(token) or token.kind == QUOTED else []
            if not names and token.kind == WORD:
                names = self._spelled_out(words, at)
            for name in names:
                yield name, _NAMED, _NAMED

    def _spelled_out(self, words: Sequence[tuple[str, ...]], at: int) -> list[str]:
        found: list[str] = []
        for length in self._lengths:
            spelled = tuple(part for word in words[at : at + length] for part in word)
            if length > 1 and len(spelled) == length:
                found += self._named.get(spelled, [])
        return found

    def _is_name(self, token: Token) -> bool:
        return token.kind == WORD and "_" in token.text and parts(token.text) in self._named


def _spelled(token: Token) -> tuple[str, ...]:
    if token.kind == QUOTED:
        return parts(token.value) if len(token.value) <= _LONGEST_QUOTED else ()
    return parts(token.text) if token.kind == WORD else ()
