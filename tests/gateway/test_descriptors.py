"""Descriptors: the soft limit raised, a reserve kept."""

import resource

import pytest

from bridge.gateway import descriptors


@pytest.mark.parametrize(
    ("limits", "raised"),
    [
        ((1_024, 20_000), 20_000),
        ((20_000, 20_000), 20_000),
        ((1_024, resource.RLIM_INFINITY), descriptors.MOST),
        ((1_024, 1_073_741_816), descriptors.MOST),
        ((2 * descriptors.MOST, 2 * descriptors.MOST), descriptors.MOST),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), descriptors.MOST),
    ],
)
def test_soft_limit_is_raised_to_the_hard_one(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], raised: int
) -> None:
    """But never beyond what one process can use, and never lowered."""
    done: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: done.append(pair))
    assert descriptors.raise_limit() == raised
    assert done in ([], [(raised, limits[1])])
    assert bool(done) == (0 <= limits[0] < raised)


def test_system_that_refuses_keeps_what_it_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is enough to start with."""

    def refuse(*_: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert descriptors.raise_limit() == 256


@pytest.mark.parametrize(("limit", "kept"), [(256, 64), (1_024, 256), (20_000, 5_000), (1_048_576, 8_192)])
def test_reserve_is_kept(limit: int, kept: int) -> None:
    """A quarter, within bounds, for files and the other listeners."""
    assert limit - descriptors.connections(limit) == kept


def test_there_is_always_room_for_one() -> None:
    """However small the limit."""
    assert descriptors.connections(20) == 1


@pytest.mark.parametrize("limit", [256, 1_024, 20_000, 1_048_576])
def test_streams_leave_room_for_those_to_be_refused(limit: int) -> None:
    """A listener full of streams could not even say "later"."""
    assert 0 < descriptors.streams(limit) < descriptors.connections(limit)
    assert descriptors.streams(limit) > 0.9 * descriptors.connections(limit)


@pytest.mark.parametrize("limit", [256, 1_024, 20_000, 1_048_576])
def test_requests_to_an_application_have_both_their_descriptors(limit: int) -> None:
    """One for the client, within the cap of connections, and one for the application, beside it."""
    cap = descriptors.connections(limit, proxies=True)
    assert cap + descriptors.proxied(limit) == descriptors.connections(limit)
    assert 0 < descriptors.proxied(limit) < cap / 2
    assert 0 < descriptors.streams(limit, proxies=True) < cap
