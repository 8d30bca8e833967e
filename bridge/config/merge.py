"""Layers of a route or source made one: built-in < kind < `defaults` < `use` < what it says itself.

Mappings merge, lists replace, `none` switches off. What is built in, or a kind's own, is a default of its model, so it
needs no node: validation fills it in where no layer speaks.
"""

from collections.abc import Mapping
from typing import Final

from bridge.config.near import hint, listed
from bridge.config.node import Node
from bridge.config.problems import Problems
from bridge.config.types import OFF

#: Mappings that may be written as the value of one key, so that `{ visible: true }` adds to `15s`.
_SHORT: Final = {"heartbeat": "every", "list": "path"}

#: Choices: one of several keys, so the mapping of an inner layer replaces that of an outer one.
_CHOICES: Final = frozenset({"start", "retry", "slow", "begin"})

#: A payload is one value, and what it says is the user's.
_WHOLE: Final = frozenset({"payload"})


def merge(outer: Node, inner: Node) -> Node:
    """Return a mapping with the pairs of both; where both speak, the inner one counts."""
    pairs = dict(outer.mapping)
    for key, node in inner.mapping.items():
        below = pairs.get(key)
        pairs[key] = node if below is None else _merge_value(key, below, node)
    return inner.with_mapping(pairs)


def _merge_value(key: str, outer: Node, inner: Node) -> Node:
    if not inner.is_mapping or key in _CHOICES or key in _WHOLE:
        return inner
    short = _SHORT.get(key)
    if short and not outer.is_mapping and outer.value != OFF:
        outer = inner.with_mapping({short: outer})
    return merge(outer, inner) if outer.is_mapping else inner


def with_profiles(node: Node, profiles: Mapping[str, Node], problems: Problems) -> Node:
    """Return the mapping over the profiles that its `use` names, the later over the earlier."""
    merged = node.with_mapping({})
    use = node.mapping.get("use")
    for name in _names(use, problems) if use is not None else ():
        profile = profiles.get(name.text or "")
        if profile is not None:
            merged = merge(merged, profile)
        elif name.text is not None:
            known = f"there is {listed(profiles)}" if profiles else "there is none"
            problems.add(name, f"no profile has this name: {known}{hint(name.text, profiles)}")
    return merge(merged, node.without("use"))


def _names(use: Node, problems: Problems) -> tuple[Node, ...]:
    names = (use,) if use.text is not None else use.items
    wrong = [name for name in names if name.text is None]
    if wrong or not names:
        problems.add(wrong[0] if wrong else use, "expected the name of a profile, or a list of names")
    return names
