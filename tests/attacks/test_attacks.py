"""What a hostile plugin tries: each attack succeeds where nothing confines it, and fails by default."""

import pytest

from tests.attacks import interfaces, network, processes, reading, resources, writing
from tests.attacks.attack import Attack
from tests.attacks.stage import KINDS, USERS, Kind, Stages, User

ATTACKS = [
    attack for module in (reading, writing, network, processes, interfaces, resources) for attack in module.ATTACKS.all
]

every_attack = pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])
every_user = pytest.mark.parametrize("user", USERS)
every_kind = pytest.mark.parametrize("kind", KINDS)
#: That an attack is one is shown by the forked kind; for the other, one of each module does.
UNDEFENDED_IN_FRESH = (
    "read_the_index",
    "write_plainly",
    "connect_by_tcp",
    "end_another_process_by_kill",
    "become_root_of_a_namespace_at_import",
    "hoard_memory_one_piece",
)
UNDEFENDED = [
    pytest.param(attack, kind, id=f"{attack.name}-{kind}")
    for attack in ATTACKS
    for kind in KINDS
    if kind == "forked" or attack.name in UNDEFENDED_IN_FRESH
]


@every_user
@pytest.mark.parametrize(("attack", "kind"), UNDEFENDED)
def test_the_attack_succeeds_where_nothing_confines_it(attack: Attack, kind: Kind, user: User, stages: Stages) -> None:
    if user in attack.undefended:
        pytest.skip(f"{attack.name} fails in any case: {attack.undefended[user]}")
    stage = stages.get(user, kind, "off")
    outcome = attack.run(stage)
    assert outcome.succeeded, f"the attack is not one: {outcome.answer}"


@every_user
@every_kind
@every_attack
def test_the_attack_fails_by_default(attack: Attack, kind: Kind, user: User, stages: Stages) -> None:
    stage = stages.get(user, kind, "prefer")
    outcome = attack.run(stage)
    assert not outcome.succeeded, f"the attack succeeded: {outcome.answer}"
    assert outcome.untold or outcome.answer.status in (502, 503, 504), outcome.answer
    assert outcome.untold or outcome.answer.words.strip(), outcome.answer
    stage.await_bystander()


#: What a plugin may do that was granted processes.
PERMITTED = ("start_a_process_by_", "execute_by_")
OF_GRANTED = [
    attack
    for module in (reading, writing, network, processes, interfaces)
    for attack in module.ATTACKS.all
    if not attack.name.startswith(PERMITTED)
]


@every_user
@every_kind
@pytest.mark.parametrize("attack", OF_GRANTED, ids=[attack.name for attack in OF_GRANTED])
def test_the_attack_fails_for_a_plugin_with_other_grants(
    attack: Attack, kind: Kind, user: User, stages: Stages
) -> None:
    stage = stages.get(user, kind, "prefer")
    outcome = attack.run(stage.with_grants)
    assert not outcome.succeeded, f"the attack succeeded: {outcome.answer}"
    assert outcome.untold or outcome.answer.words.strip(), outcome.answer
    stage.await_bystander()


def test_every_attack_has_a_name_of_its_own() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(names) == len(set(names))
    assert set(UNDEFENDED_IN_FRESH) < set(names)
    assert len(names) > 100
