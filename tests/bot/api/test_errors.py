"""Every refusal has a status, and every operation's own refusals are declared."""

from __future__ import annotations

from collections.abc import Iterator

from bot.api.errors import STATUS
from bot.api.operations import OPERATIONS
from operations.errors import OperationError


def refusals(of: type[OperationError] = OperationError) -> Iterator[type[OperationError]]:
    for refusal in of.__subclasses__():
        yield refusal
        yield from refusals(refusal)


def test_every_refusal_has_a_status() -> None:
    assert {refusal.code for refusal in refusals()} - set(STATUS) == set()


def test_no_operation_is_declared_twice() -> None:
    declared = [str(operation) for operation in OPERATIONS]
    assert len(declared) == len(set(declared))


def test_every_operation_takes_what_its_path_names() -> None:
    for operation in OPERATIONS:
        named = {segment[1:-1] for segment in operation.segments if segment.startswith("{")}
        model = operation.path
        taken = {field.alias for field in model.model_fields.values()} if model is not type(None) else set()
        assert taken == named, operation
