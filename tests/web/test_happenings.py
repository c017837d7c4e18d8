"""What the index tells of is counted once: while installs still run, and though the index forgets what is old."""

import pytest

from cadence.history import ActivationCause, EventKind
from cadence.model import InstallKind, InstallState, Stage
from cadence.storage.statistics import InstallEnd, Marks, StatisticsIndex
from cadence.web.happenings import NO_STAGE, Happenings

FAILED_TRIAL = (InstallKind.INSTALL, InstallState.FAILED, Stage.TRIAL)


class Told(StatisticsIndex):
    """An index that tells what a test writes into it."""

    def __init__(self, marks: Marks) -> None:
        self.marks = marks
        self.installs: dict[int, InstallState] = {}
        self.events: dict[int, EventKind] = {}
        self.activations: dict[int, ActivationCause] = {}
        self.asked: list[int] = []

    def marks_before(self, moment: str) -> Marks:
        assert moment == "2026-01-01"
        return self.marks

    def installs_after(self, n: int) -> list[InstallEnd]:
        self.asked.append(n)
        found = sorted((m, state) for m, state in self.installs.items() if m > n)
        return [InstallEnd(m, InstallKind.INSTALL, state, Stage.TRIAL) for m, state in found]

    def events_after(self, n: int) -> list[tuple[int, EventKind]]:
        return sorted((m, kind) for m, kind in self.events.items() if m > n)

    def activations_after(self, n: int) -> list[tuple[int, ActivationCause]]:
        return sorted((m, cause) for m, cause in self.activations.items() if m > n)


@pytest.fixture
def told() -> Told:
    return Told(Marks(install=10, event=20, activation=30))


@pytest.fixture
def happenings(told: Told) -> Happenings:
    return Happenings(told, "2026-01-01")


def test_every_value_that_a_label_can_have_is_there_from_the_start(happenings: Happenings) -> None:
    counts = happenings.counts()
    assert len(counts.installs) == len(InstallKind) * (len(InstallState) - 1) * (len(Stage) + 1)
    assert (InstallKind.CHECK, InstallState.INTERRUPTED, NO_STAGE) in counts.installs
    assert counts.events == dict.fromkeys(EventKind, 0)
    assert counts.activations == dict.fromkeys(ActivationCause, 0)
    assert not any(counts.installs.values())


def test_what_was_before_the_start_does_not_count(happenings: Happenings, told: Told) -> None:
    told.installs = {10: InstallState.FAILED, 11: InstallState.FAILED}
    told.events = {20: EventKind.CRASHED, 21: EventKind.CRASHED}
    told.activations = {30: ActivationCause.ROLLBACK, 31: ActivationCause.ROLLBACK}
    counts = happenings.counts()
    assert counts.installs[FAILED_TRIAL] == 1
    assert counts.events[EventKind.CRASHED] == 1
    assert counts.activations[ActivationCause.ROLLBACK] == 1


def test_what_is_looked_at_twice_is_counted_once(happenings: Happenings, told: Told) -> None:
    told.installs = {11: InstallState.FAILED}
    told.events = {21: EventKind.ROLLED_BACK}
    told.activations = {31: ActivationCause.AUTOMATIC_ROLLBACK}
    assert happenings.counts() == happenings.counts()
    told.events[22] = EventKind.ROLLED_BACK
    assert happenings.counts().events[EventKind.ROLLED_BACK] == 2


def test_an_install_counts_when_it_has_ended_whichever_began_first(happenings: Happenings, told: Told) -> None:
    told.installs = {11: InstallState.FAILED, 12: InstallState.RUNNING, 13: InstallState.FAILED}
    assert happenings.counts().installs[FAILED_TRIAL] == 2
    told.installs[14] = InstallState.FAILED
    assert happenings.counts().installs[FAILED_TRIAL] == 3
    told.installs[12] = InstallState.FAILED
    assert happenings.counts().installs[FAILED_TRIAL] == 4
    assert happenings.counts().installs[FAILED_TRIAL] == 4


def test_what_has_ended_is_not_read_again(happenings: Happenings, told: Told) -> None:
    told.installs = {11: InstallState.FAILED, 12: InstallState.RUNNING}
    happenings.counts()
    told.installs[12] = InstallState.SUCCEEDED
    happenings.counts()
    happenings.counts()
    assert told.asked == [10, 11, 12]


def test_counts_stay_when_the_index_forgets(happenings: Happenings, told: Told) -> None:
    told.installs, told.events = {11: InstallState.FAILED}, {21: EventKind.CRASHED}
    happenings.counts()
    told.installs, told.events = {}, {}
    counts = happenings.counts()
    assert counts.installs[FAILED_TRIAL] == 1
    assert counts.events[EventKind.CRASHED] == 1
