"""The tree of errors: drawn as it is, with the builtin kinds, codes and culprits promised."""

from __future__ import annotations

import inspect
import re

import pytest

from stratarouter.errors import ConfigurationError, InvalidInputError, StrataError
from stratarouter_runtime import errors

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and value.__module__ == errors.__name__
}


def test_the_drawing_names_every_class() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))

    assert drawn - {"InvalidInputError", "ConfigurationError"} == set(CLASSES)


def test_every_error_is_ours_and_public() -> None:
    found = {name for name, value in CLASSES.items() if issubclass(value, StrataError)}

    assert found == set(CLASSES) - {"FeatureNotBuiltWarning"}
    assert set(errors.__all__) == set(CLASSES)


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [value.code for value in CLASSES.values() if issubclass(value, StrataError)]

    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[A-Z_]+", code) for code in codes)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.InvalidContextError("x"), InvalidInputError),
        (errors.DuplicateBindingError("route", "x"), ValueError),
        (errors.UncacheableValueError("x"), ValueError),
        (errors.FeatureUnavailableError(["auth_enabled"]), ConfigurationError),
        (errors.UnboundRouteError("x"), RuntimeError),
        (errors.UnknownProviderError("x"), KeyError),
        (errors.HandlerError("x", ValueError("y")), RuntimeError),
        (errors.ProviderError("x", "y"), RuntimeError),
        (errors.ExecutionTimeoutError("x", 1.0), TimeoutError),
        (errors.SaturatedError(1, 2, 3), RuntimeError),
        (errors.CacheBackendError("x"), RuntimeError),
        (errors.BridgeClosedError("x"), RuntimeError),
        (errors.BridgeLoopError("x"), RuntimeError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_plain_handlers_catch_them(error: StrataError, kind: type[Exception]) -> None:
    assert isinstance(error, kind)


def test_they_say_what_to_do() -> None:
    assert "bridge.bind('billing'" in str(errors.UnboundRouteError("billing"))
    assert "did you mean 'billing'" in str(errors.UnboundRouteError("biling", ["billing"]))
    assert "register_client('openai'" in str(errors.UnknownProviderError("openai"))
    assert "replace=True" in str(errors.DuplicateBindingError("route", "billing"))
    assert "execution_timeout" in str(errors.ExecutionTimeoutError("the handler", 60.0))
    assert "auth_enabled, audit_logging" in str(
        errors.FeatureUnavailableError(["auth_enabled", "audit_logging"])
    )


def test_they_carry_attributes() -> None:
    saturated = errors.SaturatedError(running=4, waiting=2, abandoned=1)
    timeout = errors.ExecutionTimeoutError("the handler", 2.5)

    assert (saturated.running, saturated.waiting, saturated.abandoned) == (4, 2, 1)
    assert (timeout.what, timeout.timeout_s) == ("the handler", 2.5)
    assert errors.HandlerError("billing", ValueError()).route_id == "billing"
    assert errors.ProviderError("openai", "down").provider == "openai"


def test_whose_fault_it_is() -> None:
    assert errors.HandlerError("x", ValueError()).origin == "handler"
    assert errors.ProviderError("x", "y").origin == "provider"
    assert errors.ExecutionTimeoutError("x", 1.0).origin == "ours"


def test_what_may_succeed_later() -> None:
    retryable = {
        name
        for name, value in CLASSES.items()
        if issubclass(value, StrataError) and value.retryable
    }

    assert retryable == {
        "CacheBackendError",
        "ExecutionTimeoutError",
        "ProviderError",
        "SaturatedError",
    }
