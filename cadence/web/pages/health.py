"""Looking at the health of a plugin on demand: a check now, and the examples of its tools."""

from werkzeug.wrappers import Response as AnyResponse

from cadence.errors import CadenceError
from cadence.history import CheckRecord
from cadence.web.pages.forms import HealthForm
from cadence.web.pages.plugin import done, shown, tab_page
from cadence.web.pages.services import services
from cadence.web.pages.standing import Said, refusal
from cadence.web.present import human_ms


def health(name: str) -> AnyResponse:
    """``GET /plugins/<name>/health``: the page."""
    return tab_page(name, "health")


def check(name: str) -> AnyResponse:
    """``POST /plugins/<name>/health``: check its health now. A check that fails is a result, and no error."""
    HealthForm().require_valid()
    services().plugin(name)
    try:
        found = services().check_health(name)
    except CadenceError as error:
        return shown(name, refusal("health", error), error.status)
    return done(name, _said(found))


def self_test(name: str) -> AnyResponse:
    """``POST /plugins/<name>/self-test``: run the examples of its tools, and show what came of each."""
    HealthForm().require_valid()
    services().plugin(name)
    try:
        tests = services().self_test(name)
    except CadenceError as error:
        return shown(name, refusal("health", error), error.status)
    return shown(name, Said("health", "warning" if tests.failed else "done", f"{tests.message}.", tests=tests))


def _said(check: CheckRecord) -> Said:
    took = f"It took {human_ms(check.ms)}."
    if check.healthy:
        return Said("health", "done", f"{check.version} is healthy.", (took,))
    return Said("health", "warning", f"{check.version} is not healthy.", (check.words, took))
