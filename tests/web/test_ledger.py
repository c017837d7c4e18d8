"""The accounts of plugins: a bounded number, every call in exactly one of them, and none that ever falls."""

import random

import pytest
from msgspec import Struct

from cadence.runtime.tally import BUCKET_SECONDS, NO_CALLS, CallTally, Outcome, TallyView
from cadence.web.ledger import OTHER, Account, Ledger


class Plugin(Struct, frozen=True):
    """What is counted of a plugin."""

    tally: TallyView = NO_CALLS
    restarts: int = 0


def called(ok: int = 0, errors: int = 0, restarts: int = 0) -> Plugin:
    tally = CallTally()
    for _ in range(ok):
        tally.record(0.01, Outcome.OK)
    for _ in range(errors):
        tally.record(0.5, Outcome.TIMEOUT)
    return Plugin(tally.view(), restarts)


def calls(account: Account) -> int:
    return sum(account.outcomes.values())


def test_every_plugin_has_an_account_while_there_is_room() -> None:
    accounts = Ledger(3).enter([("b", called(2, 1, restarts=4)), ("a", called())])
    assert list(accounts) == ["a", "b"]
    account = accounts["b"]
    assert (account.outcomes[Outcome.OK], account.outcomes[Outcome.TIMEOUT], account.errors) == (2, 1, 1)
    assert account.restarts == 4
    assert account.sum_seconds == pytest.approx(0.52)
    assert sum(account.buckets) == 3
    assert len(account.buckets) == len(BUCKET_SECONDS) + 1


def test_what_is_looked_at_twice_is_entered_once() -> None:
    ledger = Ledger(1)
    plugins = [("a", called(3)), ("b", called(2))]
    assert ledger.enter(plugins) == ledger.enter(plugins)
    assert calls(ledger.enter(plugins)["a"]) == 3


def test_those_called_most_are_told_apart_and_the_rest_is_one() -> None:
    accounts = Ledger(2).enter([("a", called(1)), ("b", called(5)), ("c", called(2)), ("d", called(1, 1))])
    assert {label: calls(account) for label, account in accounts.items()} == {"b": 5, "c": 2, OTHER: 3}
    assert accounts[OTHER].errors == 1


def test_a_plugin_that_gets_an_account_of_its_own_takes_nothing_from_the_others() -> None:
    ledger = Ledger(1)
    ledger.enter([("a", called(5)), ("b", called(4))])
    accounts = ledger.enter([("a", called(5)), ("b", called(7))])
    assert {label: calls(account) for label, account in accounts.items()} == {"b": 3, OTHER: 4}


def test_between_equals_the_one_that_is_told_apart_stays() -> None:
    ledger = Ledger(1)
    ledger.enter([("b", called(5)), ("a", called(4))])
    assert "b" in ledger.enter([("b", called(5)), ("a", called(5))])


def test_a_plugin_that_goes_leaves_what_the_others_had() -> None:
    ledger = Ledger(1)
    ledger.enter([("a", called(5)), ("b", called(4))])
    accounts = ledger.enter([("a", called(6))])
    assert {label: calls(account) for label, account in accounts.items()} == {"a": 6, OTHER: 4}


def test_a_plugin_that_comes_back_is_not_counted_twice() -> None:
    ledger = Ledger(1)
    ledger.enter([("a", called(5)), ("b", called(4))])
    ledger.enter([("a", called(5))])
    assert calls(ledger.enter([("a", called(5)), ("b", called(5))])[OTHER]) == 5


def test_a_plugin_that_was_forgotten_and_is_counted_anew_loses_nothing() -> None:
    ledger = Ledger(1)
    ledger.enter([("a", called(5))])
    assert calls(ledger.enter([("a", called(2))])["a"]) == 7


def test_a_plugin_called_other_is_one_of_the_others() -> None:
    accounts = Ledger(5).enter([(OTHER, called(9)), ("a", called(1))])
    assert {label: calls(account) for label, account in accounts.items()} == {"a": 1, OTHER: 9}


def test_whatever_happens_every_call_is_counted_once_and_no_account_falls() -> None:
    chance = random.Random(7)
    ledger, tallies = Ledger(3), {f"p{number}": CallTally() for number in range(8)}
    total, before, counted = 0, dict[str, Account](), 0
    for _ in range(60):
        for name in chance.choices(list(tallies), weights=[2**n for n in chance.sample(range(8), 8)], k=5):
            tallies[name].record(0.001, Outcome.OK)
            total += 1
        accounts = ledger.enter((name, Plugin(tally.view())) for name, tally in tallies.items())
        assert len(accounts) <= 4
        fallen = [label for label in before.keys() & accounts.keys() if calls(accounts[label]) < calls(before[label])]
        assert fallen == []
        # As a monitoring system reckons: what an account rose by, and all of one that is new.
        counted += sum(calls(one) - (calls(before[label]) if label in before else 0) for label, one in accounts.items())
        before = accounts
    assert counted == total
