"""What it means when GitHub does not do what it was asked to.

GitHubError
├── NotConfigured     there are no App credentials yet, or the private key cannot be read
├── Unauthorized      refused even with a fresh token: wrong key, wrong App id, or a clock that is off
├── Forbidden         a permission is missing, or the installation is suspended
├── NotFound          not there, or not for us to see; GitHub tells both alike
├── Invalid           GitHub understood it and refused it, with a sentence
├── RateLimited       nothing before `retry_at`
├── Unavailable       it did not work, and the same call may be made again at any time
│   └── Stale         it answers with what was before the event that it told us of
└── OutcomeUnknown    it may have happened or not: look before repeating it
"""

from datetime import datetime, timedelta

import httpx

SECONDARY_LIMIT_PAUSE = 60
LONGEST_PAUSE = 24 * 3600
LACKS_PERMISSION = "Resource not accessible by integration"  # GitHub's words where the App was not granted enough


class GitHubError(Exception):
    """The message says what was asked, and GitHub's own words; never a token, a key or a body."""


class NotConfigured(GitHubError):
    pass


class Unauthorized(GitHubError):
    pass


class Forbidden(GitHubError):
    pass


class NotFound(GitHubError):
    pass


class Invalid(GitHubError):
    pass


class RateLimited(GitHubError):
    """`is_named`: GitHub said until when; else it is a guess, and should grow if it was too short."""

    def __init__(self, message: str, retry_at: datetime, *, is_named: bool = True) -> None:
        super().__init__(message)
        self.retry_at = retry_at
        self.is_named = is_named


class Unavailable(GitHubError):
    pass


class Stale(Unavailable):
    pass


class OutcomeUnknown(GitHubError):
    pass


def refused(answer: httpx.Response, *, repeatable: bool, now: datetime) -> GitHubError:
    """The error for an answer that is no success."""
    words = _words(answer)
    message = f"{_about(answer)} {words}"
    status = answer.status_code
    if status in (403, 429) and (retry_at := _retry_at(answer, words, now)):
        return RateLimited(message, retry_at, is_named=_names_end(answer))
    if status >= 500:
        return _broken(message, repeatable)
    # GitHub says 404 of an App id that it does not know. Read as "uninstalled", it would cost every environment.
    if words == "Integration not found":
        return Unauthorized(message)
    kinds = {401: Unauthorized, 403: Forbidden, 404: NotFound, 410: NotFound}
    return kinds.get(status, Invalid)(message)


def refused_in_graphql(answer: httpx.Response, *, now: datetime) -> GitHubError | None:
    """The error in a GraphQL answer, which is a success to HTTP; None where all was done.

    https://docs.github.com/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api
    """
    try:
        problems = answer.json().get("errors")
    except (ValueError, AttributeError) as error:
        return unreadable(answer, error, repeatable=True)
    if not problems:
        return None
    message = f"{_about(answer)} {': '.join(str(problem.get('message')) for problem in problems)}"
    kind = problems[0].get("type")
    if kind == "RATE_LIMITED":
        return RateLimited(
            message,
            _retry_at(answer, "rate limit", now) or now + timedelta(seconds=SECONDARY_LIMIT_PAUSE),
            is_named=_names_end(answer),
        )
    return {"NOT_FOUND": NotFound, "FORBIDDEN": Forbidden}.get(kind, Invalid)(message)


def unanswered(error: httpx.RequestError, *, repeatable: bool) -> GitHubError:
    """The error for a request that got no answer."""
    message = f"{error.request.method} {error.request.url.path}: {type(error).__name__}"
    reached = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return _broken(message, repeatable or not reached)


def unreadable(answer: httpx.Response, error: Exception, *, repeatable: bool) -> GitHubError:
    """The error for an answer that is a success, but truncated or of another shape than GitHub documents."""
    return _broken(f"{_about(answer)} with an answer that cannot be read: {error}", repeatable)


def _broken(message: str, repeatable: bool) -> GitHubError:
    return Unavailable(message) if repeatable else OutcomeUnknown(message)


def _names_end(answer: httpx.Response) -> bool:
    return "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0"


def _retry_at(answer: httpx.Response, words: str, now: datetime) -> datetime | None:
    """When GitHub's rate limits allow the next call; None when the refusal has another reason.

    https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
    """
    headers = answer.headers
    pause: float = SECONDARY_LIMIT_PAUSE
    if "retry-after" in headers:
        pause = _seconds(headers["retry-after"], pause)
    elif headers.get("x-ratelimit-remaining") == "0":
        pause = _seconds(headers.get("x-ratelimit-reset", ""), now.timestamp() + pause) - now.timestamp()
    elif answer.status_code == 403 and "rate limit" not in words.lower():
        return None
    return now + timedelta(seconds=min(max(pause, 1), LONGEST_PAUSE))


def _seconds(text: str, otherwise: float) -> float:
    return int(text) if text.isdecimal() and len(text) < 12 else otherwise


def _about(answer: httpx.Response) -> str:
    return f"{answer.request.method} {answer.request.url.path}: {answer.status_code}"


def _words(answer: httpx.Response) -> str:
    """GitHub's sentence, and what it says about each field; a proxy's page is left out."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return answer.reason_phrase
    problems = body.get("errors")
    details = [
        problem.get("message") if isinstance(problem, dict) else problem
        for problem in (problems if isinstance(problems, list) else [])
    ]
    return ": ".join(str(part) for part in (body.get("message"), *details) if part)
