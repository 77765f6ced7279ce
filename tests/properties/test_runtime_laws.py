"""Laws of the runtime's values: fingerprints, JSON copies, partitions, settings, deadlines."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stratarouter.errors import ConfigurationError
from stratarouter_runtime.config import RuntimeConfig
from stratarouter_runtime.config_sections import spec_of
from stratarouter_runtime.errors import InvalidContextError
from stratarouter_runtime.execution.deadline import Deadline
from stratarouter_runtime.policies.fingerprint import FingerprintPrefix, text_key
from stratarouter_runtime.policies.plain_json import canonical_json, decode_plain, encode_plain
from stratarouter_runtime.types import ANONYMOUS, Partition

texts = st.text(st.characters(codec=None), max_size=20)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | texts
    | st.floats(allow_nan=False, allow_infinity=False)
)
plain = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(texts, plain, max_size=4)
ids = st.none() | st.text(min_size=1, max_size=8).filter(str.strip) | st.integers()
identities = st.fixed_dictionaries(
    {}, optional={"tenant_id": ids, "org_id": ids, "user_id": ids, "session_id": ids}
)
FIELDS = {entry.name: entry for entry in dataclasses.fields(RuntimeConfig)}
ALIASES = [(alias, name) for name, entry in FIELDS.items() for alias in spec_of(entry).aliases]


def same(left: Any, right: Any) -> bool:
    """Say whether two JSON values are equal in value and type, all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return repr(left) == repr(right)


# JSON -------------------------------------------------------------------------------------------


@given(plain)
def test_a_stored_copy_is_equal_in_value_and_type(value: Any) -> None:
    assert same(decode_plain(encode_plain(value)), value)


@given(objects, st.randoms(use_true_random=False))
def test_canonical_json_does_not_see_the_order_of_keys(value: dict[str, Any], random: Any) -> None:
    shuffled = list(value.items())
    random.shuffle(shuffled)

    assert canonical_json(dict(shuffled)) == canonical_json(value)


@given(plain, plain)
def test_canonical_json_is_equal_for_equal_values_only(left: Any, right: Any) -> None:
    assert (canonical_json(left) == canonical_json(right)) == same(left, right)


# Fingerprints -----------------------------------------------------------------------------------


@given(st.tuples(objects, texts, objects), st.tuples(objects, texts, objects))
def test_fingerprints_are_equal_for_equal_requests_only(left: Any, right: Any) -> None:
    (parts, query, context), (other_parts, other_query, other_context) = left, right
    equal = same(parts, other_parts) and query == other_query and same(context, other_context)
    first = FingerprintPrefix(parts).of(query, context)
    second = FingerprintPrefix(other_parts).of(other_query, other_context)

    assert (first == second) == equal


@given(texts, texts)
def test_query_and_context_cannot_be_shifted_into_one_another(query: str, value: str) -> None:
    prefix = FingerprintPrefix({})
    glued = query + canonical_json({"v": value}).decode("ascii")

    assert prefix.of(glued) != prefix.of(query, {"v": value})


@given(texts, texts)
def test_keys_of_texts_are_equal_for_equal_texts_only(left: str, right: str) -> None:
    assert (text_key(left) == text_key(right)) == (left == right)


# Partitions -------------------------------------------------------------------------------------


@given(identities)
def test_a_context_has_one_owner_or_is_refused(context: dict[str, Any]) -> None:
    tenant, org = context.get("tenant_id"), context.get("org_id")
    try:
        owner = Partition.from_context(context)
    except InvalidContextError:
        assert tenant is not None
        assert org is not None
        assert str(tenant) != str(org)
        return

    assert (owner.tenant is None) == (tenant is None and org is None)
    assert (owner.user is None) == (
        context.get("user_id") is None and context.get("session_id") is None
    )


@given(identities, identities)
def test_keys_are_equal_for_equal_owners_only(left: dict[str, Any], right: dict[str, Any]) -> None:
    for context in (left, right):
        assume(context.get("tenant_id") is None or context.get("org_id") is None)
    first, second = Partition.from_context(left), Partition.from_context(right)

    assert (first.key == second.key) == (first == second)


@given(identities, st.sampled_from(["user", "tenant", "global"]))
def test_widening_is_final_and_never_crosses_tenants(context: dict[str, Any], scope: Any) -> None:
    assume(context.get("tenant_id") is None or context.get("org_id") is None)
    owner = Partition.from_context(context)
    wide = owner.widened(scope)

    assert wide.widened(scope) == wide
    assert wide == ANONYMOUS if scope == "global" else wide.tenant == owner.tenant


# Settings ---------------------------------------------------------------------------------------


@given(st.sampled_from(ALIASES))
def test_every_alias_means_its_field(pair: tuple[str, str]) -> None:
    alias, name = pair
    default = FIELDS[name].default
    value: Any = "other://place" if spec_of(FIELDS[name]).kind is str else default
    if spec_of(FIELDS[name]).choices:
        value = spec_of(FIELDS[name]).choices[-1]
    config = RuntimeConfig(**{alias: value})

    assert getattr(config, name) == getattr(config, alias) == value
    assert RuntimeConfig(**{alias: value, name: value}) == config
    assert (
        RuntimeConfig.from_env({alias.upper(): str(value)} if value is not None else {}) == config
    )


@given(
    st.floats(0, 1, allow_nan=False),
    st.floats(0, 1, allow_nan=False),
    st.permutations(["batch_similarity", "batch_similarity_threshold", "batch_dedup_threshold"]),
)
def test_names_of_one_setting_agree_or_are_refused(
    first: float, second: float, names: list[str]
) -> None:
    given_settings: dict[str, Any] = {names[0]: first, names[1]: second}
    try:
        config = RuntimeConfig(**given_settings)
    except ConfigurationError:
        assert first != second
        return

    assert first == second == config.batch_dedup_threshold


@given(
    st.dictionaries(
        st.sampled_from(["cache_ttl", "execution_timeout", "retry_delay_ms"]), st.floats()
    )
)
def test_numbers_are_taken_as_they_are_or_refused(given_settings: dict[str, float]) -> None:
    settings: dict[str, Any] = given_settings
    usable = all(value > 0 or (value == 0 and "delay" in name) for name, value in settings.items())
    if usable and all(map(math.isfinite, settings.values())):
        config = RuntimeConfig(**settings)
        assert {name: getattr(config, name) for name in settings} == settings
    else:
        with pytest.raises(ConfigurationError, match="|".join(settings)):
            RuntimeConfig(**settings)


@given(st.sampled_from(sorted(FIELDS)))
def test_a_changed_copy_changes_one_setting_only(name: str) -> None:
    config = RuntimeConfig()
    copy = dataclasses.replace(config, **{name: getattr(config, name)})

    assert copy == config == config.replace(**{name: getattr(config, name)})


# Deadlines --------------------------------------------------------------------------------------


@given(st.floats(0.001, 1e6), st.floats(0, 1e9), st.lists(st.floats(0, 1e6), max_size=5))
def test_time_that_is_left_never_grows_and_never_goes_below_zero(
    timeout_s: float, now_s: float, steps: list[float]
) -> None:
    deadline = Deadline.after(timeout_s, now_s)
    left = [deadline.remaining_s(now_s)]
    for step in steps:
        now_s += step
        left.append(deadline.remaining_s(now_s))

    assert left == sorted(left, reverse=True)
    assert min(left) >= 0.0
