"""Clients that a bridge is handed, and the names that they get."""

from __future__ import annotations

import pytest

from stratarouter_runtime.errors import DuplicateBindingError, UnknownProviderError
from stratarouter_runtime.providers.bound_clients import BoundClients
from stratarouter_runtime.providers.local import LocalClient
from stratarouter_runtime.providers.registry import LLMClientRegistry
from stratarouter_runtime.testing import EchoClient, ScriptedClient


@pytest.fixture
def clients() -> BoundClients:
    return BoundClients(LLMClientRegistry())


def test_clients_are_registered_once_and_counted_when_replaced(clients: BoundClients) -> None:
    clients.register("p", EchoClient(), replace=False)
    assert clients.generation("p") == 0
    with pytest.raises(DuplicateBindingError, match="provider 'p'"):
        clients.register("p", EchoClient(), replace=False)
    clients.register("p", ScriptedClient(["x"]), replace=True)

    assert (clients.generation("p"), clients.generation("p/model")) == (1, 1)
    assert clients.names == ("p",)


def test_a_client_that_the_registry_was_given_is_seen(clients: BoundClients) -> None:
    clients.registry.register("p", EchoClient())
    before = clients.generation("p")
    clients.registry.register("p", EchoClient(), replace=True)

    assert (before, clients.generation("p"), clients.generation("nobody")) == (0, 1, 0)
    assert clients.names == ("p",)


def test_bound_clients_are_not_among_the_registered(clients: BoundClients) -> None:
    first, second = EchoClient(), EchoClient()
    clients.adopt("echo", first)
    clients.adopt("echo", second)

    assert (clients.name("echo", first), clients.name("echo", second)) == ("echo", "echo#2")
    assert clients.name("echo", None) == "echo"
    assert clients.names == ()


def test_a_registered_client_goes_before_a_bound_one(clients: BoundClients) -> None:
    bound, registered = EchoClient(), EchoClient()
    clients.adopt("echo", bound)
    clients.register("echo", registered, replace=False)

    assert clients.names == ("echo",)
    assert clients.name("echo", bound) == "echo#2"
    assert clients.registry.providers == ("echo", "echo#2")
    with pytest.raises(DuplicateBindingError):
        clients.register("echo", EchoClient(), replace=False)


def test_the_same_client_is_not_taken_in_twice(clients: BoundClients) -> None:
    client = EchoClient()
    clients.register("echo", client, replace=False)
    clients.adopt("echo", client)

    assert clients.registry.providers == ("echo",)
    assert clients.names == ("echo",)


def test_names_of_clients_that_went_are_used_again(clients: BoundClients) -> None:
    for _ in range(10):
        client = EchoClient()
        clients.adopt("echo", client)
        clients.adopt("echo", client)
        clients.release("echo", client)
        assert clients.name("echo", client) == "echo"
        clients.release("echo", client)
        clients.release("echo", client)

    assert clients.registry.providers == ("echo",)
    assert not clients.names
    clients.register("echo", EchoClient(), replace=False)
    assert list(clients.names) == ["echo"]


def test_whole_clients_are_told_from_simple_ones(clients: BoundClients) -> None:
    clients.register("local", LocalClient("http://127.0.0.1:1/v1"), replace=False)
    clients.register("echo", EchoClient(), replace=False)

    assert clients.are_whole(["local", "local/model"])
    assert not clients.are_whole(["local", "echo"])
    assert not clients.are_whole(["local", "nobody"])


def test_judging_who_is_gone_is_harmless(clients: BoundClients) -> None:
    clients.judge(("nobody", None), answer_ok=False)
    with pytest.raises(UnknownProviderError):
        clients.registry.feedback("nobody", answer_ok=False)
