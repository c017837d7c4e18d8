"""What went wrong with a provider of models, in words for an operator, and whether to ask again.

The clients of the providers raise exceptions of their own libraries. They are told apart by their HTTP status, and by
the names of their classes, since none of those libraries is imported here. What a provider answers may hold anything,
so no more of it is shown than one short line of a refusal of the request, without any key.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from msgspec import Struct

from cadence.chat.providers import Choice, own_address
from cadence.config import Settings
from cadence.errors import ModelFailed, ModelTimedOut, ModelUnavailable

_LONGEST_QUOTE = 200
_DEEPEST_CAUSE = 5
_SHORTEST_SECRET = 6
_MOST_TEXT = 10_000
# What keys look like, of whomever: a provider may quote the one it was sent, or parts of it.
_LIKE_A_KEY = re.compile(r"\b(?:(?:sk|pk|gsk|xai)[-_]|AIza|Bearer )[^\s\"',]{6,}", re.IGNORECASE)

_REFUSED_KEY = {"ModelAuthenticationError", "ModelPermissionDeniedError", "AuthenticationError"}
_TIMED_OUT = {"ModelTimeoutError", "APITimeoutError", "TimeoutException", "TimeoutError"}
_UNREACHABLE = {"ModelConnectionError", "APIConnectionError", "TransportError", "ConnectionError"}
_TOO_LONG = {"ContextOverflowError"}
_BUSY = {"ModelRateLimitError"}
_NOT_THERE = {"ModelNotFoundError"}
_ITS_OWN = {"ModelAPIError"}
_MALFORMED = {"APIResponseValidationError", "ValueError", "LookupError", "TypeError", "AttributeError"}
_TRY_AGAIN = {408, 409, 425}
_QUOTA_CODES = {"insufficient_quota", "billing_hard_limit_reached", "quota_exceeded"}


class Failure(Struct, frozen=True):
    """A failed request: the ``error`` to raise, whether asking ``again`` may help, and after how many seconds it may.

    ``after_seconds`` is what the provider asks for, None where it does not.
    """

    error: ModelFailed
    again: bool = False
    after_seconds: float | None = None


class _Seen(Struct, frozen=True):
    """What an exception tells: its HTTP status, the names of its classes, and what the provider answered.

    ``message`` is the one the provider gave as such, ``text`` all there is to look for words in.
    """

    status: int | None
    names: frozenset[str]
    code: str
    message: str
    text: str
    headers: Mapping[str, str]


def explain(error: BaseException, choice: Choice, settings: Settings, *, begun: bool = False) -> Failure:
    """Say what an exception of a client means.

    :param begun: whether a part of the answer had come.
    """
    if isinstance(error, ModelFailed):
        return Failure(error)
    seen = _see(error)
    for applies, failure in _KINDS:
        if applies(seen):
            return failure(seen, choice, settings, begun)
    words = f"{_who(choice, settings)} could not be asked ({type(error).__name__})."
    return Failure(ModelFailed(words))


def timed_out(choice: Choice, settings: Settings) -> ModelTimedOut:
    """It did not answer in the time that a model has."""
    seconds = settings.llm_timeout_seconds
    return ModelTimedOut(f"{_who(choice, settings)} did not answer within {seconds:g} s (CADENCE_LLM_TIMEOUT_SECONDS).")


def out_of_time(choice: Choice, settings: Settings) -> ModelTimedOut:
    """The turn had no time left."""
    return ModelTimedOut(f"The time of the turn (CADENCE_TURN_SECONDS) was over before {choice.name} had answered.")


def broke_off(choice: Choice, settings: Settings) -> Failure:
    """The answer ended in the middle."""
    words = f"The answer of {_whose(choice, settings)} broke off in the middle. Ask again."
    return Failure(ModelFailed(words), again=True)


def withheld(choice: Choice, settings: Settings) -> ModelFailed:
    """A content filter kept the answer back."""
    return ModelFailed(f"{_who(choice, settings)} withheld the answer: its content filter took exception to it.")


def cut_to_nothing(choice: Choice, settings: Settings) -> ModelFailed:
    """It was not allowed enough tokens to say anything."""
    return ModelFailed(f"{choice.name} had used up the tokens it may take (max_tokens) before it said anything.")


def _who(choice: Choice, settings: Settings) -> str:
    """The one that failed, at the begin of a sentence."""
    if choice.provider is None:
        return "The model"
    return "The server at CADENCE_LLM_BASE_URL" if own_address(choice.provider, settings) else choice.provider.title


def _whose(choice: Choice, settings: Settings) -> str:
    who = _who(choice, settings)
    return f"t{who[1:]}" if who.startswith("The ") else who


def _refused_key(seen: _Seen, choice: Choice, settings: Settings, _begun: bool) -> Failure:
    provider = choice.provider
    setting = f"CADENCE_{provider.key.upper()}" if provider and provider.key else "CADENCE_LLM_BASE_URL"
    status = f" ({seen.status})" if seen.status else ""
    words = f"{_who(choice, settings)} refuses the key of this server{status}. Look at {setting}, then start anew."
    return Failure(ModelUnavailable(words))


def _no_such_model(_seen: _Seen, choice: Choice, settings: Settings, _begun: bool) -> Failure:
    wanted = "the plugin asks for it (llm_requirements)" if choice.of_plugin else "look at CADENCE_LLM"
    words = f"{_who(choice, settings)} has no model {choice.model}, or not for this key (404): {wanted}."
    if own_address(choice.provider, settings) if choice.provider else None:
        words += " The address may also lack its path, such as /v1 (CADENCE_LLM_BASE_URL)."
    return Failure(ModelUnavailable(words))


def _busy(seen: _Seen, choice: Choice, settings: Settings, _begun: bool) -> Failure:
    who = _who(choice, settings)
    if seen.code in _QUOTA_CODES:
        return Failure(ModelUnavailable(f"{who} answers no more: the quota of this server's key is used up (429)."))
    words = f"{who} is asked too often (429). Wait a little, or have its rate limit raised."
    return Failure(ModelUnavailable(words), again=True, after_seconds=_retry_after(seen.headers))


def _too_long(_seen: _Seen, choice: Choice, settings: Settings, _begun: bool) -> Failure:
    words = (
        f"The conversation is too long for {choice.name}. Begin a new one, or lower CADENCE_CHAT_HISTORY_CHARACTERS or"
        " CADENCE_MAX_CHAT_AGENTS."
    )
    return Failure(ModelFailed(words))


def _filtered(_seen: _Seen, choice: Choice, settings: Settings, _begun: bool) -> Failure:
    words = f"{_who(choice, settings)} refuses the message: its content filter took exception to it."
    return Failure(ModelFailed(words))


def _refused(seen: _Seen, choice: Choice, settings: Settings, _begun: bool) -> Failure:
    quote = _quote(seen.message, settings)
    words = f"{_who(choice, settings)} refuses the request ({seen.status})" + (f": {quote}" if quote else ".")
    return Failure(ModelFailed(words))


def _its_own(seen: _Seen, choice: Choice, settings: Settings, _begun: bool) -> Failure:
    status = f" ({seen.status})" if seen.status else ""
    words = f"{_who(choice, settings)} has a failure of its own{status}. Ask again in a while."
    return Failure(ModelFailed(words), again=True, after_seconds=_retry_after(seen.headers))


def _slow(_seen: _Seen, choice: Choice, settings: Settings, _begun: bool) -> Failure:
    return Failure(timed_out(choice, settings))


def _unreachable(_seen: _Seen, choice: Choice, settings: Settings, begun: bool) -> Failure:
    if begun:
        return broke_off(choice, settings)
    own = choice.provider is not None and own_address(choice.provider, settings) is not None
    look = "Look whether it runs and" if own else "Look"
    words = f"{_who(choice, settings)} cannot be reached. {look} whether this server's network lets it connect."
    return Failure(ModelUnavailable(words), again=True)


def _malformed(_seen: _Seen, choice: Choice, settings: Settings, _begun: bool) -> Failure:
    words = f"{_who(choice, settings)} gave an answer that cannot be understood."
    if choice.provider and own_address(choice.provider, settings):
        words += f" Look whether it speaks the language of {choice.provider.title} at this address."
    return Failure(ModelFailed(words))


def _mentions(*words: str) -> Callable[[_Seen], bool]:
    return lambda seen: any(word in seen.text for word in words)


def _is(statuses: set[int], names: set[str]) -> Callable[[_Seen], bool]:
    return lambda seen: seen.status in statuses or bool(seen.names & names)


_is_refused = _is({400, 413, 422}, set())
_says_key = _mentions("api key not valid", "api_key_invalid")
_says_long = _mentions("context_length", "context length", "context window", "too many tokens", "prompt is too long")
_says_filter = _mentions("content_filter", "content filter", "content_policy", "responsibleai")

#: The first that applies says what it was.
_KINDS: tuple[tuple[Callable[[_Seen], bool], Callable[[_Seen, Choice, Settings, bool], Failure]], ...] = (
    (_is({401, 403}, _REFUSED_KEY), _refused_key),
    (lambda seen: _is_refused(seen) and _says_key(seen), _refused_key),
    (_is({404}, _NOT_THERE), _no_such_model),
    (_is({429}, _BUSY), _busy),
    (_is({413}, _TOO_LONG), _too_long),
    (lambda seen: seen.status in (None, 400, 422) and _says_long(seen), _too_long),
    (lambda seen: seen.status in (None, 400, 422) and _says_filter(seen), _filtered),
    (lambda seen: seen.status is not None and (seen.status >= 500 or seen.status in _TRY_AGAIN), _its_own),
    (lambda seen: seen.status is not None and 400 <= seen.status < 500, _refused),
    (_is(set(), _ITS_OWN), _its_own),
    (_is(set(), _TIMED_OUT), _slow),
    (_is(set(), _UNREACHABLE), _unreachable),
    # An event of a stream that says that there was an error.
    (_is(set(), {"APIError"}), _its_own),
    (_is(set(), _MALFORMED), _malformed),
)


def _see(error: BaseException) -> _Seen:
    errors = list(_causes(error))
    response = next((found for one in errors if (found := getattr(one, "response", None)) is not None), None)
    bodies = (getattr(one, "body", None) for one in errors)
    told: Mapping[str, Any] = next((body for body in bodies if isinstance(body, Mapping)), {})
    inner = told.get("error")
    body: Mapping[str, Any] = inner if isinstance(inner, Mapping) else told
    code = next((str(value) for key in ("code", "type", "status") if (value := body.get(key))), "")
    message = str(body.get("message") or "")
    return _Seen(
        status=next((status for one in errors if (status := _status(one)) is not None), None),
        names=frozenset(kind.__name__ for one in errors for kind in type(one).__mro__),
        code=code,
        message=message,
        text=" ".join([code, message, *(str(one) for one in errors)])[:_MOST_TEXT].lower(),
        headers={str(key).lower(): str(value) for key, value in dict(getattr(response, "headers", None) or {}).items()},
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it came from: clients wrap those of the libraries below them."""
    one: BaseException | None = error
    for _ in range(_DEEPEST_CAUSE):
        if one is None:
            return
        yield one
        one = one.__cause__


def _status(error: BaseException) -> int | None:
    for holder in (error, getattr(error, "response", None)):
        for attribute in ("status_code", "code"):
            value = getattr(holder, attribute, None)
            if isinstance(value, int) and 100 <= value <= 599:
                return value
    return None


def _quote(message: str, settings: Settings) -> str:
    """One short line of what the provider says, without keys."""
    line = " ".join(message.split())
    for secret in (getattr(settings, field.name) for field in fields(settings) if field.metadata.get("secret")):
        if isinstance(secret, str) and len(secret) >= _SHORTEST_SECRET:
            line = line.replace(secret, "…")
    line = _LIKE_A_KEY.sub("…", line)
    return line if len(line) <= _LONGEST_QUOTE else f"{line[:_LONGEST_QUOTE]}…"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, by ``retry-after-ms`` or ``Retry-After`` (RFC 9110, 10.2.3: seconds or a date)."""
    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        else:
            seconds = float(headers["retry-after"])
    except KeyError:
        return None
    except ValueError:
        return _until(headers.get("retry-after", ""))
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())
