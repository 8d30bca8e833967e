"""From templates to subscriptions, and from topics to captures."""

import pytest
from hypothesis import given, strategies as st

from bridge.sources.mqtt.topics import MAX_KNOWN, Topics, check, covers, filter_of
from bridge.template import Template


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plants/{plant}/{device}/temperature", "plants/+/+/temperature"),
        ("plants/{rest*}", "plants/#"),
        ("{rest*}", "#"),
        ("a/dev-{id}/b", "a/+/b"),
        ("a/x{rest*}", "a/#"),
        ("a/{rest*}/end", "a/#"),
        ("a/b", "a/b"),
        ("/a//b", "/a//b"),
        ("$SYS/broker/{rest*}", "$SYS/broker/#"),
    ],
)
def test_a_template_has_its_filter(template, expected):
    """The narrowest one that lets all of it through."""
    assert filter_of(Template.parse(template)) == expected


@pytest.mark.parametrize("text", ["", "a/+", "#", "a/{x", "$share/g/a", "a\0b", "{x}{y}", "x" * 70_000])
def test_what_is_no_template_of_topics_is_refused(text):
    """With words."""
    assert check(text)


@pytest.mark.parametrize(
    ("filter", "topic", "expected"),
    [
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/+", "a", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("+/+", "/x", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("a", "A", False),
    ],
)
def test_a_filter_takes_what_the_standard_says(filter, topic, expected):
    """Section 4.7 of both versions."""
    assert covers(filter, topic) is expected


SEGMENT = st.text(alphabet="ab-$", max_size=3)


@given(
    st.lists(SEGMENT, min_size=1, max_size=4), st.sampled_from(["{x}/b", "{r*}", "a/{r*}", "a-{x}/{y}", "{x}", "a/b"])
)
def test_a_filter_lets_through_whatever_its_template_matches(levels, text):
    """But for topics of the broker, which a wildcard at the begin never takes."""
    topic, template = "/".join(levels), Template.parse(text)
    if template.match(topic) is not None and not topic.startswith("$"):
        assert covers(filter_of(template), topic)


def test_the_most_special_template_names_the_parts():
    """Whatever their order in the file."""
    topics = Topics(["{rest*}", "plants/{rest*}", "plants/{plant}/state"])
    assert topics.match(b"plants/oslo/state").captures == {"plant": "oslo"}
    assert topics.match(b"plants/x/y").captures == {"rest": "x/y"}
    assert topics.match(b"x").captures == {"rest": "x"}


def test_a_name_within_a_level_is_filtered_here():
    """The broker sends all of the level."""
    topics = Topics(["rooms/dev-{id}"])
    assert topics.match(b"rooms/dev-7").captures == {"id": "7"}
    assert topics.match(b"rooms/other") is None


@pytest.mark.parametrize("topic", [b"", b"\xff", b"a\0b", b"a/+", b"#"])
def test_what_is_no_topic_is_refused(topic):
    """In one way."""
    with pytest.raises(ValueError, match=r".*"):
        Topics(["{rest*}"]).match(topic)


def test_templates_of_one_filter_share_a_subscription():
    """And each filter has an identifier of its own, the same in every process."""
    topics = Topics(["a/{x}", "a/dev-{id}", "b/{x}"])
    assert [each.text for each in topics.filters] == ["a/+", "b/+"]
    assert len(topics.ids) == 2
    assert all(0 < id < 2**28 and id % 2 == 0 for id in topics.ids)
    assert Topics(["b/{y}"]).ids < topics.ids


def test_a_shared_subscription_is_asked_for_by_its_group():
    """Topics are matched without it."""
    topics = Topics(["a/{x}"], "group")
    assert [each.sent for each in topics.filters] == ["$share/group/a/+"]
    assert topics.match(b"a/b").captures == {"x": "b"}


def test_a_refused_filter_brings_no_copy_so_the_next_one_counts():
    """Of overlapping ones."""
    topics = Topics(["a/{x}", "a/{rest*}"])
    first, second = topics.filters
    assert topics.match(b"a/b").id == first.id
    topics.refuse(frozenset({first.id}))
    assert topics.match(b"a/b").id == second.id


def test_a_filter_that_the_session_did_not_have_comes_after_those_it_had():
    """What was queued came by them; a topic that only the new one matches is its own."""
    topics = Topics(["a/b", "a/{x}", "c/{x}"])
    special, wide, other = (
        next(each for each in topics.filters if each.text == text) for text in ("a/b", "a/+", "c/+")
    )
    topics.defer(frozenset({special.id, other.id}))
    assert [topics.match(topic).id for topic in (b"a/b", b"a/c", b"c/d")] == [wide.id, wide.id, other.id]
    topics.defer(frozenset())
    assert topics.match(b"a/b").id == special.id


def test_what_is_remembered_is_bounded():
    """By the number of topics, and by their length."""
    topics = Topics(["{rest*}"])
    for n in range(MAX_KNOWN + 5):
        topics.match(b"t%d" % n)
    topics.match(b"x" * 10_000)
    assert len(topics._known) == 5
