"""What a worker is born with: no descriptor, no environment and no memory that is another's."""

import pytest

from tests.attacks.stage import KINDS, USERS, Kind, Sandbox, Stage, Stages, User, new_secret

pytestmark = [pytest.mark.parametrize("user", USERS), pytest.mark.parametrize("kind", KINDS)]
#: The secrets stay outside with and without the sandbox: nothing that workers come from ever held them.
every_sandbox = pytest.mark.parametrize("sandbox", ["off", "prefer"])
SEARCHES = ("environment", "memory", "heap")
#: Standard input, output and error, and the channel.
CHANNEL = "3"


def granted(stage: Stage) -> str:
    """A secret that was granted to another plugin, which has read it."""
    secret = new_secret()
    stage.install("bystander")
    stage.grant("bystander", env={"GRANTED_SECRET": secret})
    assert stage.call("bystander", "reveal", name="GRANTED_SECRET").result == secret
    return secret


@every_sandbox
def test_a_worker_inherits_null_the_two_pipes_of_its_log_the_channel_and_nothing_else(
    user: User, kind: Kind, sandbox: Sandbox, stages: Stages
) -> None:
    stage = stages.get(user, kind, sandbox)
    found = stage.call("snooper", "descriptors").result
    assert found.pop("0") == "/dev/null"
    output, error = found.pop("1"), found.pop("2")
    assert output.startswith("pipe:")
    assert error.startswith("pipe:")
    assert output != error
    assert found.pop(CHANNEL).startswith("socket:")
    assert list(found.values()) == ["anon_inode:[timerfd]"], "the worker's own timer"


@every_sandbox
@pytest.mark.parametrize("search", SEARCHES)
def test_no_secret_of_others_is_in_a_worker(
    search: str, user: User, kind: Kind, sandbox: Sandbox, stages: Stages
) -> None:
    stage = stages.get(user, kind, sandbox)
    others = granted(stage)
    answer = stage.call("snooper", search)
    found = set(answer.result or ())
    assert not {stage.secret, others} & found
    assert answer.ok or "Permission denied" in answer.words, answer


@every_sandbox
@pytest.mark.parametrize("search", ["memory", "heap"])
def test_a_secret_of_its_own_would_be_found(
    search: str, user: User, kind: Kind, sandbox: Sandbox, stages: Stages
) -> None:
    stage = stages.get(user, kind, sandbox)
    secret = new_secret()
    assert stage.call("snooper", "hold", secret=secret).ok
    answer = stage.call("snooper", search)
    assert secret in answer.result, answer


def test_a_secret_that_was_granted_is_in_the_environment(user: User, kind: Kind, stages: Stages) -> None:
    stage = stages.get(user, kind, "prefer")
    secret = new_secret()
    stage.install("snooper")
    stage.grant("snooper", env={"ITS_OWN": secret})
    assert stage.call("snooper", "environment").result == [secret]
    stage.grant("snooper")
    assert stage.call("snooper", "environment").result == []
