"""The mock service against a simple model of it: any order of calls, repeated, late, with answers lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from providers.mock import MockProvider
from providers.provider import (
    NameTaken,
    NoCapacity,
    NotReady,
    ProviderError,
    StaleFence,
    State,
    TooYoung,
    UnknownEnvironment,
)
from tests.provider import Clock, mock_provider

CREATION, REFRESH, DELETION, AGE, MAXIMUM = 10, 6, 4, 8, 2

names = st.sampled_from(["dev1", "dev2", "dev3"])
fences = st.integers(1, 6)
keys = st.sampled_from(["ours", "theirs"])


@dataclass
class Expected:
    """One name in the model; times are seconds since the start."""

    key: str | None
    fence: int
    made_by: int
    ready_at: int
    young_until: int
    gone_at: int | None = None

    def state(self, now: int) -> State | None:
        if self.gone_at is not None:
            return State.DELETING if now < self.gone_at else None
        return State.CREATING if now < self.ready_at else State.READY


class MockService(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = TemporaryDirectory()
        self.path = Path(self.directory.name) / "service.sqlite3"
        self.clock = Clock()
        self.seconds = 0
        self.model: dict[str, Expected] = {}

    def teardown(self) -> None:
        self.directory.cleanup()

    @property
    def provider(self) -> MockProvider:
        """A new one for every call, as another process would have."""
        return mock_provider(
            self.path,
            self.clock,
            creationSeconds=CREATION,
            refreshSeconds=REFRESH,
            deletionSeconds=DELETION,
            minimumAgeSeconds=AGE,
            maximum=MAXIMUM,
            timeoutAfterSuccessRate=0.3,
        )

    def outcome(self, call: Callable[[], object]) -> type[ProviderError] | None:
        """The refusal, or None when the work was done, be its answer lost or not."""
        try:
            call()
        except ProviderError as error:
            return type(error) if type(error) is not ProviderError else None
        return None

    def state(self, name: str) -> State | None:
        return self.model[name].state(self.seconds) if name in self.model else None

    def is_late(self, name: str, fence: int) -> bool:
        return name in self.model and fence < self.model[name].fence

    @rule(seconds=st.integers(1, 12))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)
        self.seconds += seconds

    @rule(name=names, key=keys, fence=fences)
    def create(self, name: str, key: str, fence: int) -> None:
        refused = self.refuses_creation(name, key, fence)
        assert self.outcome(lambda: self.provider.create(name, key, fence)) is refused
        if refused:
            return
        if name not in self.model:
            now = self.seconds
            self.model[name] = Expected(key, fence, fence, ready_at=now + CREATION, young_until=now + AGE)
        self.model[name].fence = fence

    def refuses_creation(self, name: str, key: str, fence: int) -> type[ProviderError] | None:
        if self.is_late(name, fence):
            return StaleFence
        if name in self.model:
            usable = self.state(name) in (State.CREATING, State.READY) and self.model[name].key == key
            return None if usable else NameTaken
        existing = [name for name in self.model if self.state(name)]
        return NoCapacity if len(existing) >= MAXIMUM else None

    @rule(name=names, fence=fences)
    def refresh(self, name: str, fence: int) -> None:
        refused = self.refuses_refresh(name, fence)
        assert self.outcome(lambda: self.provider.refresh(name, fence)) is refused
        if refused:
            return
        expected = self.model[name]
        if expected.made_by != fence:
            expected.made_by = expected.fence = fence
            expected.ready_at = self.seconds + REFRESH
            expected.young_until = self.seconds + AGE

    def refuses_refresh(self, name: str, fence: int) -> type[ProviderError] | None:
        if self.is_late(name, fence):
            return StaleFence
        if self.state(name) not in (State.CREATING, State.READY):
            return UnknownEnvironment
        if self.model[name].made_by == fence:
            return None
        if self.state(name) is State.CREATING:
            return NotReady
        return TooYoung if self.seconds < self.model[name].young_until else None

    @rule(name=names, fence=fences)
    def delete(self, name: str, fence: int) -> None:
        refused = self.refuses_deletion(name, fence)
        assert self.outcome(lambda: self.provider.delete(name, fence)) is refused
        if refused:
            return
        if name not in self.model:
            self.model[name] = Expected(None, fence, fence, ready_at=0, young_until=0, gone_at=0)
        elif self.state(name) in (State.CREATING, State.READY):
            self.model[name].gone_at = self.seconds + DELETION
        self.model[name].fence = fence

    def refuses_deletion(self, name: str, fence: int) -> type[ProviderError] | None:
        if self.is_late(name, fence):
            return StaleFence
        alive = self.state(name) in (State.CREATING, State.READY)
        return TooYoung if alive and self.seconds < self.model[name].young_until else None

    @rule(name=names)
    def log_in(self, name: str) -> None:
        refusals = {State.READY: None, State.CREATING: NotReady, State.DELETING: UnknownEnvironment}
        state = self.state(name)
        refused = refusals[state] if state else UnknownEnvironment
        assert self.outcome(lambda: self.provider.check_login(name)) is refused

    @invariant()
    def the_service_is_what_the_model_says(self) -> None:
        told = {name: (seen.state, seen.key, seen.fence) for name, seen in self.provider.inventory().items()}
        existing = {name: expected for name, expected in self.model.items() if self.state(name)}
        assert told == {name: (self.state(name), each.key, each.fence) for name, each in existing.items()}
        assert len(told) <= MAXIMUM
        assert all((self.provider.inspect(name) is not None) == (name in told) for name in self.model)


MockService.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None, derandomize=True)
TestMockService = MockService.TestCase
