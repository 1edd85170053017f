"""An environment is deleted while its caller waits: what the provider says, and what a query finds, is recorded."""

from __future__ import annotations

from bot.context import Context
from operations.delete import Deletion, accepted, refused
from operations.errors import OperationError, ProviderRefused, SandboxTooYoung
from providers.provider import Provider, ProviderError, State, TooYoung
from storage.audit import Actor
from storage.pools import Pool
from storage.repositories import Repository


def carry_out(context: Context, repository: Repository, pool: Pool, deletion: Deletion, actor: Actor) -> bool:
    """Whether it is gone, proved by a query. Else it is on its way, or left behind as a tombstone if it was forced.

    What was not forced refuses with SandboxTooYoung or ProviderRefused, and is as it was.
    """
    try:
        gone = _ask(context.provider(repository, pool), deletion)
    except ProviderError as error:
        eligible_at = error.eligible_at if isinstance(error, TooYoung) else None
        with context.database.transaction() as session:
            refused(session, deletion, error.message, eligible_at, now=context.clock())
        if not deletion.is_forced:
            raise _refusal(deletion, error) from error
        return False
    with context.database.transaction() as session:
        accepted(session, deletion, actor, gone=gone, now=context.clock())
    return gone


def _ask(provider: Provider, deletion: Deletion) -> bool:
    """Whether it is gone; if not, it will be. Raises ProviderError if nothing was done."""
    try:
        provider.delete(deletion.name, deletion.fence)
    except ProviderError as error:
        if error.permanent or isinstance(error, TooYoung):
            raise
        seen = provider.inspect(deletion.name)  # it may have been done, and only the answer was lost
        if seen is not None and seen.state is not State.DELETING:
            raise
    try:
        return provider.inspect(deletion.name) is None
    except ProviderError:
        return False


def _refusal(deletion: Deletion, error: ProviderError) -> OperationError:
    if isinstance(error, TooYoung):
        return SandboxTooYoung(deletion.name, error.eligible_at)
    return ProviderRefused(error.message)
