"""The calls that a task asks of an agent: which tools, with what, and which of them need the result of another."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from cadence.chat.offline import matching
from cadence.chat.offline.arguments import Filled, fill
from cadence.chat.offline.arithmetic import (
    Figure,
    Operation,
    Reference,
    figures,
    mentions,
    operator_at,
    reference_at,
)
from cadence.chat.offline.clauses import Clause, clauses
from cadence.chat.offline.exchange import Tool
from cadence.chat.offline.matching import Match, Matcher, candidate
from cadence.chat.offline.operators import REPEATED, Operator, operators_of
from cadence.chat.offline.schema import Parameter
from cadence.chat.offline.tokens import WORD, Token, read
from cadence.chat.offline.vocabulary import wordset
from cadence.chat.offline.words import FUNCTION, STOP, concept

#: Calls of one task; what asks for more is not done at all.
MOST_JOBS = 50
#: What a clause has to share with a tool for the tool to be called.
_LEAST = 1.0
_NEARLY = 0.9
_MOST_COMPARED = 5
_BEFORE_AN_EXPRESSION = STOP | wordset("calculate compute evaluate result answer what's whats tell give solve")
_AROUND_AN_EXPRESSION = frozenset(("=", "?", ".", "!", ":", ",", "please", "equals"))
_LONGEST_REQUEST = 300
#: Begin a question that is answered by yes or no.
_WHETHER = wordset("is are was were has have does did do isn't aren't wasn't hasn't doesn't didn't")
#: Verbs of tools that only look.
_READING = {
    concept(word) for word in wordset("read get show tell list find count check measure look search fetch is has")
}
_STATEMENTS = wordset("i we you he she they my our your the this that these there it thanks thank hello hi ask use let")


class Job(Struct, frozen=True):
    """A call to be made: ``args`` are JSON with :class:`Reference` to the results of other jobs, by their numbers.

    ``after`` is how many of the first jobs have to be over before.
    """

    tool: Tool
    args: dict[str, Any]
    after: int = 0


class Lacking(Struct, frozen=True):
    """A call that cannot be made, for want of arguments."""

    tool: Tool
    missing: tuple[Parameter, ...]


class Plan(Struct, frozen=True):
    """What a task comes to; ``unplaced`` are clauses that no tool fits, ``overlong`` is whether it asks too much."""

    jobs: tuple[Job, ...] = ()
    lacking: tuple[Lacking, ...] = ()
    unplaced: tuple[str, ...] = ()
    overlong: bool = False


def plan(task: str, tools: Sequence[Tool], *, refers: bool = False, implies: bool = False) -> Plan:
    """Plan a task.

    :param refers: whether there is a result before the task, that "it" can stand for.
    :param implies: whether that may stand for a value that is not mentioned at all.
    """
    return _Planner(tools, refers=refers, implies=implies).plan(task)


class _Planner:
    def __init__(self, tools: Sequence[Tool], *, refers: bool, implies: bool) -> None:
        self.tools = {tool.name: tool for tool in tools}
        self.candidates = {tool.name: candidate(tool.name, _said(tool)) for tool in self.tools.values()}
        self.matcher = Matcher(list(self.candidates.values()))
        self.operators = operators_of(self.tools.values())
        self.before = refers
        self.implied = implies
        self.jobs: list[Job] = []
        self.lacking: list[Lacking] = []
        self.unplaced: list[str] = []
        self.overlong = False
        self.barrier = 0

    def plan(self, task: str) -> Plan:
        found = clauses(task, read(task), self.matcher.begins)
        for clause in found:
            self.barrier = len(self.jobs) if clause.sequel else self.barrier
            self._clause(clause)
        if not self.jobs and not self.lacking and len(self.tools) == 1 and found:
            self.unplaced.clear()
            self._call(next(iter(self.tools.values())), found[-1])
        if len(self.jobs) > MOST_JOBS or self.overlong:
            return Plan(overlong=True)
        return Plan(tuple(self.jobs), tuple(self.lacking), tuple(self.unplaced))

    def _clause(self, clause: Clause) -> None:
        if len(self.jobs) > MOST_JOBS or self.overlong or self._calculation(clause):
            return
        found = self._matches(clause)
        if found:
            self._call(self._best(found, clause), clause)
        elif clause.joined and self.jobs and _only_values(clause):
            self._call(self.jobs[-1].tool, clause)
        elif _asks(clause):
            self.unplaced.append(clause.text)

    def _matches(self, clause: Clause) -> list[Match]:
        """The tools that fit, by the words outside of expressions, or else by all."""
        inside = {
            at
            for one in figures(clause.tokens)
            if not isinstance(one.value, (int, float))
            for at in range(one.first, one.last)
        }
        for ignored in [inside, frozenset()] if inside else [frozenset()]:
            found = [match for match in self.matcher.matches(clause, ignored) if match.weight >= _LEAST]
            if found:
                return [match for match in found if self._may(clause, match.name)]
        return []

    def _may(self, clause: Clause, name: str) -> bool:
        """Whether a tool may be called: one that does something is not, because somebody asks whether it is so."""
        if clause.tokens[0].text not in _WHETHER:
            return True
        actions = self.candidates[name].actions
        said = {concept(one.text) for one in clause.tokens if one.kind == WORD and not one.text.endswith("ed")}
        return not actions.isdisjoint(said | _READING) or any("_" in token.text for token in clause.tokens)

    def _refers(self) -> bool:
        return bool(self.jobs) or self.before

    def _implies(self, clause: Clause) -> bool:
        return bool(self.jobs) or (self.before and (self.implied or clause.joined))

    def _best(self, found: Sequence[Match], clause: Clause) -> Tool:
        """Of those that fit about as well as the best, the first for which all arguments are there."""
        near = [match for match in found if match.score >= found[0].score * _NEARLY][:_MOST_COMPARED]
        for match in near:
            if len(near) > 1 and not any(filled.missing for filled in self._filled(self.tools[match.name], clause)):
                return self.tools[match.name]
        return self.tools[found[0].name]

    def _filled(self, tool: Tool, clause: Clause) -> list[Filled]:
        words = self.candidates[tool.name].weights.keys()
        return fill(tool, clause, words, refers=self._refers(), implies=self._implies(clause))

    def _call(self, tool: Tool, clause: Clause) -> None:
        previous = self._previous()
        for filled in self._filled(tool, clause):
            missing = filled.missing or self._incalculable(tool, filled)
            if missing and (spoken := self._spoken(tool, clause)) is not None:
                self._operation(spoken, previous)
            elif missing:
                self.lacking.append(Lacking(tool, missing))
            else:
                self._job(tool, filled.args, previous)
                self._go_on(tool, filled, previous)

    def _incalculable(self, tool: Tool, filled: Filled) -> tuple[Parameter, ...]:
        """The parameters whose values would have to be calculated first, without a tool that does."""
        values = {name: value if isinstance(value, list) else [value] for name, value in filled.args.items()}
        open_ = {name for name, held in values.items() if not all(self._can(one) for one in held)}
        return tuple(parameter for parameter in tool.parameters if parameter.name in open_)

    def _spoken(self, tool: Tool, clause: Clause) -> Operation | None:
        """The operation of a tool as it is said in words: "raise 2 to the power of 10"."""
        for one in figures(clause.tokens):
            if isinstance(one.value, Operation) and self._can(one.value) and self._refers() >= mentions(one.value):
                operator = self.operators.get(one.value.name)
                return one.value if operator and operator.tool is tool else None
        return None

    def _go_on(self, tool: Tool, filled: Filled, previous: Reference) -> None:
        """Go on over further numbers: "add 2, 3 and 4" with a tool for two."""
        operator = next((one for one in self.operators.values() if one.tool is tool and one.name in REPEATED), None)
        if operator is None or operator.listed:
            return
        for number in filled.further:
            self._job(tool, operator.arguments(self._previous(), number), previous)

    def _previous(self) -> Reference:
        return Reference(len(self.jobs) - 1 if self.jobs else None)

    def _job(self, tool: Tool, args: dict[str, Any], previous: Reference) -> None:
        settled = {name: self._settled(value, previous) for name, value in args.items()}
        self.jobs.append(Job(tool, settled, self.barrier))

    def _settled(self, value: Any, previous: Reference) -> Any:
        """A value in which what has to be calculated first is a reference to the job that does."""
        if isinstance(value, Reference):
            return value if value.job is not None else previous
        if isinstance(value, Operation):
            return self._operation(value, previous)
        return [self._settled(one, previous) for one in value] if isinstance(value, list) else value

    def _calculation(self, clause: Clause) -> bool:
        """Plan a clause that is nothing but an expression, if there are tools for it."""
        found = _expression(clause, refers=self._refers())
        if found is None:
            return False
        if found.value is None:
            self.overlong = bool(self.operators)
            return self.overlong
        if not isinstance(found.value, Operation) or not self._can(found.value):
            return False
        self._operation(found.value, self._previous())
        return True

    def _can(self, value: Any) -> bool:
        """Whether there are tools for all operations of a value."""
        if not isinstance(value, Operation):
            return True
        known = value.name in self.operators or (value.name == "power" and self._as_product(value) is not None)
        return known and self._can(value.left) and self._can(value.right)

    def _as_product(self, value: Operation) -> Operator | None:
        """What multiplies where nothing takes powers, and a square is wanted."""
        return self.operators.get("multiply") if value.right == 2 and "power" not in self.operators else None

    def _operation(self, value: Operation, previous: Reference) -> Reference:
        """Plan an operation and those in its operands; gives a reference to its result."""
        left = self._settled(value.left, previous)
        right = self._settled(value.right, previous)
        squared = self._as_product(value) if value.name == "power" else None
        operator = squared or self.operators[value.name]
        self.jobs.append(Job(operator.tool, operator.arguments(left, left if squared else right), self.barrier))
        return self._previous()


def _said(tool: Tool) -> list[tuple[float, str]]:
    first, _, more = tool.description.partition("\n")
    said = [(matching.VERB, first[:500]), (matching.MENTION, more[:2000])]
    for parameter in tool.parameters:
        said.append((matching.MENTION, parameter.name))
        said += [(matching.MENTION, str(choice)[:80]) for choice in parameter.choices]
    return said


def _expression(clause: Clause, *, refers: bool) -> Figure | None:
    """The expression that a clause is and nothing else; "times 3" goes on from the result before."""
    tokens = [token for token in clause.tokens if token.text not in _AROUND_AN_EXPRESSION]
    start = 0
    while start < len(tokens) and tokens[start].kind == WORD and tokens[start].text in _BEFORE_AN_EXPRESSION:
        if operator_at(tokens, start) or reference_at(tokens, start) is not None:
            break
        start += 1
    tokens = tokens[start:]
    operator = operator_at(tokens, 0)
    if operator and refers and (not operator[2] or tokens[0].text != "-"):
        tokens = [Token(WORD, "it", 0, 0), *tokens]
    found = figures(tokens) if tokens else []
    whole = len(found) == 1 and found[0].first == 0 and found[0].last == len(tokens)
    return found[0] if whole and (refers or not mentions(found[0].value)) else None


def _only_values(clause: Clause) -> bool:
    """Whether a clause says with what to do again what was done before: "then by 2"."""
    words = [token for token in clause.tokens if token.kind == WORD]
    return len(words) < len(clause.tokens) and all(token.text in FUNCTION for token in words)


def _asks(clause: Clause) -> bool:
    """Whether a clause looks like something to do, and not like a remark."""
    first = clause.tokens[0]
    return first.kind == WORD and first.text not in _STATEMENTS and len(clause.text) <= _LONGEST_REQUEST
