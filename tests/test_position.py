"""A place in a partitioned log, as an id: what is written is read, and what is not ours is not."""

import string
from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given, strategies as st

from bridge import wire
from bridge.position import BEGINNING, MAX_OFFSET, MAX_TEXT, Part, Position, Writer, digits, tag

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase

TAGS = st.text(ALPHABET, min_size=4, max_size=4)
SMALL = st.integers(0, 3)
OFFSETS = st.one_of(SMALL, st.integers(0, MAX_OFFSET - 1))


def positions(tags: st.SearchStrategy[str] = TAGS, most: int = 5) -> st.SearchStrategy[Position]:
    """Draw positions of some logs with some partitions each, some of them just after a message."""
    offsets = st.dictionaries(tags, st.lists(OFFSETS, min_size=1, max_size=most).map(tuple), max_size=3)
    return offsets.map(Position).flatmap(lambda place: st.sampled_from([place, *lasts(place)]))


def parts(place: Position) -> list[Part]:
    """Return all partitions."""
    return [Part(tag, number) for tag, known in place.offsets.items() for number in range(len(known))]


def lasts(place: Position) -> list[Position]:
    """Return the position as it stands just after a message, for each partition that has one."""
    return [place._replace(last=part) for part in parts(place) if place.next(part)]


def same(one: Position, other: Position) -> bool:
    """Tell whether two positions have seen the same; a partition that is left out is at 0."""
    return one.is_behind(other) and other.is_behind(one)


#: Of few logs, so that two of them share some.
NEAR = positions(st.sampled_from(["AAAA", "bbbb", "0000"]), 3)


# Numbers and tags


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (9, "9"),
        (10, "A"),
        (61, "z"),
        (62, "10"),
        (62**2 - 1, "zz"),
        (62**2, "100"),
        (62**3, "1000"),
        (MAX_OFFSET, "AzL8n0Y58m7"),
    ],
)
def test_a_number_is_written_in_base_62(number: int, text: str) -> None:
    """Digits, then capitals, then small letters; no zero stands before them."""
    assert digits(number) == text


@given(st.integers(0, 2**70), st.integers(0, 2**70))
def test_longer_texts_are_larger_numbers(one: int, other: int) -> None:
    """Each number has one text, and of two of a length the order is theirs."""
    texts = digits(one), digits(other)
    assert (one < other) == ((len(texts[0]), texts[0]) < (len(texts[1]), texts[1]))


def test_a_tag_tells_logs_apart() -> None:
    """By the name, and by what tells it from an earlier log of that name; by the same four characters each time."""
    tags = [tag("orders", "a"), tag("orders", "b"), tag("order", "sa"), tag("orders"), tag()]
    assert len(set(tags)) == len(tags)
    assert tag("orders", "a") == tags[0] == "aX2K"
    assert all(len(each) == 4 and set(each) <= set(ALPHABET) for each in tags)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_a_tag_is_of_four_characters_whatever_the_name(identity: list[str]) -> None:
    """Its leading zeros stay."""
    assert str(Position({tag(*identity): (5,)})) == f"p_{tag(*identity)}.5"


# As text


def test_a_position_reads_as_described() -> None:
    """Logs in the order of their tags, partitions in their own, and which one moved last."""
    place = Position({"bbbb": (0, 62), "AAAA": (7,)}, Part("bbbb", 1))
    assert str(place) == "p_AAAA.7_bbbb.0.10-2"
    assert Position.parse("p_AAAA.7_bbbb.0.10-2") == place
    assert Position.parse("p_AAAA.7_bbbb.0.10") == place._replace(last=None)


@given(positions())
def test_what_is_written_is_read(place: Position) -> None:
    """As long as it fits; what does not fit is no id of ours."""
    text = str(place)
    assert Position.parse(text) == (place if len(text) <= MAX_TEXT else None)


@given(positions(most=1))
def test_what_is_written_is_an_id(place: Position) -> None:
    """It goes over the wire as it is."""
    assert wire.is_id(str(place))


def test_the_beginning_has_a_text() -> None:
    """A log that has no partition yet has a place too: the one before everything."""
    assert str(Position({})) == BEGINNING
    assert Position.parse(BEGINNING) == Position({}) == Position.of([])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "p",
        "p_",
        "p-0",
        "x_AAAA.1",
        "p_AAAA",
        "p_AAAA.",
        "p_AAA.1",
        "p_AAAAA.1",
        "p_AAAA.1.",
        "p_AAAA..1",
        "p_AAAA.1-",
        "p_AAAA.1_",
        "p_AAAA.1-0-0",
        "p_AAAA.1\n",
        " p_AAAA.1",
        "p_AAAA.é",
        "p_AAAA.\N{FULLWIDTH DIGIT ONE}",
        # Offsets above those of the protocol.
        "p_AAAA.AzL8n0Y58m8",
        "p_AAAA.zzzzzzzzzzz",
        "p_AAAA.100000000000",
        # The same place in another way.
        "p_AAAA.01",
        "p_AAAA.00-0",
        "p_AAAA.1-00",
        "p_bbbb.1_AAAA.1",
        "p_AAAA.1_AAAA.1",
        "p_AAAA.1_AAAA.2",
        # Just after a message that is none, of a partition that is none.
        "p_AAAA.0-0",
        "p_AAAA.1-1",
        "p_AAAA.1-zzz",
        "p_AAAA.1-0000",
        f"{BEGINNING}-0",
        f"{BEGINNING}_AAAA.1",
        f"p_AAAA{'.1' * 58}",
    ],
)
def test_what_we_cannot_have_written_is_refused(text: str) -> None:
    """A client may bring anything as its Last-Event-ID."""
    assert Position.parse(text) is None


@given(st.text() | st.text("p_AAab01.-z", max_size=MAX_TEXT + 1))
def test_any_text_is_refused_or_written_the_same(text: str) -> None:
    """No two texts are the same place."""
    place = Position.parse(text)
    assert place is None or str(place) == text


@given(positions(), st.data())
def test_a_text_that_was_changed_is_refused_or_written_the_same(place: Position, data: st.DataObject) -> None:
    """One sign more, less, or another."""
    text = str(place)
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 2))
    changed = text[:at] + data.draw(st.text(ALPHABET + "._-", max_size=2)) + text[at + cut :]
    read = Position.parse(changed)
    assert read is None or str(read) == changed


# Places


@given(positions())
def test_a_position_knows_its_message(place: Position) -> None:
    """The place before it lacks that one message and nothing else, and going on after it leads back."""
    if place.last is None:
        assert place.offset == -1
        assert place.before == place
        return
    assert place.offset == place.next(place.last) - 1
    assert place.has(place.last, place.offset)
    assert not place.before.has(place.last, place.offset)
    assert place.before.weight == place.weight - 1
    assert place.before.after(place.last, place.offset) == place


@given(positions(), TAGS, SMALL, OFFSETS)
def test_to_go_on_after_a_message_is_to_have_it(place: Position, tag: str, number: int, offset: int) -> None:
    """Also in a partition, or a log, that was not known; the others stay where they are."""
    part = Part(tag, number)
    reached = place.after(part, offset)
    assert reached.last == part
    assert reached.offset == offset
    assert reached.has(part, offset)
    assert not reached.has(part, offset + 1)
    assert all(reached.next(each) == place.next(each) for each in parts(place) if each != part)


@given(positions(), TAGS, SMALL)
def test_what_is_not_known_is_not_seen(place: Position, tag: str, number: int) -> None:
    """A partition that came into being later is read from its first message."""
    part = Part(tag, number)
    if part not in parts(place):
        assert place.next(part) == 0
        assert not place.has(part, 0)


@given(positions())
def test_a_position_is_of_its_offsets(place: Position) -> None:
    """Partition by partition, in any order; one that is left out is at 0."""
    offsets = [(part, place.next(part)) for part in parts(place)]
    assert Position.of(offsets) == Position.of(reversed(offsets)) == place._replace(last=None)
    assert same(Position.of([(part, offset) for part, offset in offsets if offset]), place)


@given(NEAR, NEAR, NEAR)
def test_to_be_behind_is_an_order(one: Position, two: Position, three: Position) -> None:
    """Each is behind itself; behind what is behind is behind; and a weight is never less further on."""
    assert one.is_behind(one)
    if one.is_behind(two):
        assert one.weight <= two.weight
        assert all(two.has(part, one.next(part) - 1) for part in parts(one) if one.next(part))
        assert one.is_behind(three) or not two.is_behind(three)
        assert same(one, two) == (one.weight == two.weight)


@given(NEAR, NEAR, NEAR)
def test_joined_is_the_least_that_has_both(one: Position, two: Position, three: Position) -> None:
    """In whatever order they are joined; `last` is that of the second."""
    joined = one.joined(two)
    assert one.is_behind(joined)
    assert two.is_behind(joined)
    assert joined.last == two.last
    assert joined.is_behind(three) == (one.is_behind(three) and two.is_behind(three))
    assert joined.offsets == two.joined(one).offsets
    assert joined.joined(three) == one.joined(two.joined(three))
    assert one.joined(one) == one
    assert Position({}).joined(one) == one


# Chains


@st.composite
def walks(draw: st.DrawFn) -> tuple[Position, Sequence[tuple[Part, int]]]:
    """Draw a place and the messages that are read from there on, with holes as a compacted log has them."""
    place = draw(positions(most=8).filter(lambda place: place.offsets))
    order = draw(st.lists(st.tuples(st.sampled_from(parts(place)), st.sampled_from([0, 0, 0, 1, 70])), max_size=20))
    at = {part: place.next(part) for part in parts(place)}
    messages: list[tuple[Part, int]] = []
    for part, hole in order:
        offset = at[part] + hole
        at[part] = offset + 1
        messages.append((part, offset))
    return place, messages


@given(walks())
def test_a_writer_writes_what_a_position_would(walk: tuple[Position, Sequence[tuple[Part, int]]]) -> None:
    """Message by message, and "" as long as it is too long for an id."""
    place, messages = walk
    writer = Writer(place)
    assert writer.position == place
    for part, offset in messages:
        place = place.after(part, offset)
        text = writer.step(part, offset)
        assert text == (str(place) if len(str(place)) <= MAX_TEXT else "")
        assert writer.position == place


@given(
    positions(most=8).filter(lambda place: place.offsets),
    st.lists(st.sampled_from([0, 0, 0, 1, 70, 4_000]), min_size=1, max_size=20),
    st.data(),
)
def test_a_run_of_messages_is_written_as_one_by_one(place: Position, holes: list[int], data: st.DataObject) -> None:
    """Several of one partition at once are only cheaper."""
    part = data.draw(st.sampled_from(parts(place)))
    offsets = [offset + n for n, offset in enumerate(accumulate(holes, initial=place.next(part)))]
    one, many = Writer(place), Writer(place)
    assert many.steps(part, offsets) == [one.step(part, offset) for offset in offsets]
    assert many.position == one.position


@given(walks())
def test_positions_of_one_reader_are_a_chain(walk: tuple[Position, Sequence[tuple[Part, int]]]) -> None:
    """Each is beyond the one before, so its weight is more, and it has all that was read until then and no more."""
    place, messages = walk
    writer = Writer(place)
    read: list[tuple[Part, int]] = []
    for part, offset in messages:
        writer.step(part, offset)
        before, place = place, writer.position
        assert before.is_behind(place)
        assert not place.is_behind(before)
        assert place.weight > before.weight
        assert (place.last, place.offset) == (part, offset)
        read.append((part, offset))
        assert all(place.has(*each) for each in read)
        assert not place.has(part, offset + 1)
        assert before.is_behind(place.before)


def test_a_position_that_grows_too_long_is_none() -> None:
    """It comes back when the log is made anew, since its text is written from where it stands."""
    place = Position({"AAAA": (61,) * 55})
    assert len(str(place)) == 116
    writer = Writer(place)
    assert writer.step(Part("AAAA", 0), 61) == f"p_AAAA.10{'.z' * 54}-0"
    assert writer.step(Part("AAAA", 1), 61) == f"p_AAAA.10.10{'.z' * 53}-1"
    assert writer.step(Part("AAAA", 2), 61) == ""
    assert str(writer.position) == f"p_AAAA.10.10.10{'.z' * 52}-2"


def test_an_unknown_partition_is_not_written() -> None:
    """A writer is made anew when there are more."""
    with pytest.raises(KeyError):
        Writer(Position({"AAAA": (0,)})).step(Part("AAAA", 1), 0)
    with pytest.raises(KeyError):
        str(Position({"AAAA": (0,)}, Part("bbbb", 0)))
