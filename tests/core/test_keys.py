"""Keys become names and come back as what they were."""

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramify.core.keys import decode_key, decode_path, encode_key, encode_path, sort_key
from ramify.errors import RamifyKeyDecodingError, RamifyKeyEncodingError

zones = st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-1439, 1439))
keys = st.one_of(
    st.text(),
    st.text(alphabet="01\"'.-:TZeEinfax+_ "),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=zones),
    st.times(),
    st.times(timezones=zones),
)


@pytest.mark.slow
@given(keys)
def test_a_key_comes_back_as_it_was(key: object) -> None:
    try:
        name = encode_key(key)  # type: ignore[arg-type]  # every legal type is drawn
    except RamifyKeyEncodingError:
        return
    back = decode_key(name)
    assert type(back) is type(key)
    assert repr(back) == repr(key)
    assert "/" not in name
    assert name[0] not in ".@"


@given(st.lists(keys, min_size=2, max_size=2))
def test_two_keys_never_share_a_name(pair: list[object]) -> None:
    first, second = pair
    try:
        names = encode_key(first), encode_key(second)  # type: ignore[arg-type]  # as above
    except RamifyKeyEncodingError:
        return
    same = type(first) is type(second) and repr(first) == repr(second)
    assert (names[0] == names[1]) == same


@given(st.lists(keys, max_size=6))
def test_ids_can_always_be_sorted(drawn: list[object]) -> None:
    names = []
    for key in drawn:
        try:
            names.append(encode_key(key))  # type: ignore[arg-type]  # as above
        except RamifyKeyEncodingError:
            continue
    ordered = sorted(names, key=sort_key)
    backwards = ordered[::-1]
    assert sorted(backwards, key=sort_key) == ordered


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("m1", "m1"),
        ("7", '"7"'),
        (7, "7"),
        (-7, "-7"),
        (0.5, "0.5"),
        (1.0, "1.0"),
        ("1.0", '"1.0"'),
        (True, "true"),
        ("true", '"true"'),
        ("train.json", '"train.json"'),
        ("v1.2", "v1.2"),
        ("two words", "two words"),
        (" edge ", '" edge "'),
        ('say "hi"', 'say "hi"'),
        ('"', '"\\""'),
        (date(2026, 1, 2), "2026-01-02"),
        ("2026-01-02", '"2026-01-02"'),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00+00:00"),
        (time(3, 4, 5), "03:04:05"),
        ("größe", "größe"),
    ],
)
def test_names_are_what_a_reader_expects(key: str, name: str) -> None:
    assert encode_key(key) == name
    assert decode_key(name) == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "a/b",
        "a\\b",
        ".hidden",
        "@own",
        "a\nb",
        "a\x00b",
        "\x1b[31m",
        "\ud800",
        "x" * 201,
        None,
        b"x",
        (1,),
    ],
)
def test_what_cannot_be_a_key_is_refused_with_the_key(key: object) -> None:
    with pytest.raises(RamifyKeyEncodingError) as caught:
        encode_key(key)  # type: ignore[arg-type]  # the point of the test
    assert caught.value.key == key
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("name", ["", '"m1"', "01", "1_0", '"open', "2026-13-01", "a/b", "..", "0x1f"])
def test_what_no_key_encodes_to_is_refused(name: str) -> None:
    with pytest.raises(RamifyKeyDecodingError):
        decode_key(name)


def test_subclasses_are_taken_as_what_they_extend() -> None:
    from enum import IntEnum, StrEnum

    class Colour(StrEnum):
        RED = "red"

    class Level(IntEnum):
        LOW = 1

    assert encode_key(Colour.RED) == "red"
    assert encode_key(Level.LOW) == "1"


def test_a_moment_that_is_more_than_a_name_can_say_is_refused() -> None:
    class Stamp(datetime):
        """As a `pandas.Timestamp`: it holds more than a datetime, and writes that."""

        nanosecond = 0

        def __eq__(self, other: object) -> bool:
            return datetime.__eq__(self, other) is True and self.nanosecond == 0

        __hash__ = datetime.__hash__

    stamp = Stamp(2026, 1, 2, 3)
    assert encode_key(stamp) == "2026-01-02T03:00:00"
    stamp.nanosecond = 7
    with pytest.raises(RamifyKeyEncodingError, match="more than a datetime"):
        encode_key(stamp)


def test_a_time_with_a_zone_is_no_text() -> None:
    assert encode_key(time(1, 2, 3, tzinfo=UTC)) == "01:02:03+00:00"
    assert encode_key("01:02:03+00:00") == '"01:02:03+00:00"'


def test_a_number_of_numpy_is_told_what_to_do() -> None:
    numpy = pytest.importorskip("numpy")
    with pytest.raises(RamifyKeyEncodingError, match="item"):
        encode_key(numpy.int64(3))


def test_a_zone_that_a_name_cannot_hold_is_refused() -> None:
    from zoneinfo import ZoneInfo

    with pytest.raises(RamifyKeyEncodingError, match="fixed offset"):
        encode_key(datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")))


def test_paths_are_ids() -> None:
    assert encode_path(["scores", 3, date(2026, 1, 1), "3"]) == 'scores/3/2026-01-01/"3"'
    assert decode_path('scores/3/2026-01-01/"3"') == ("scores", 3, date(2026, 1, 1), "3")


def test_ids_are_sorted_by_value() -> None:
    ids = ["b", "g/10", "g/9", "g/1.5", "g/2026-01-02", "g/2025-12-31", "a", "true", "g/-1"]
    assert sorted(ids, key=sort_key) == [
        "true",
        "a",
        "b",
        "g/-1",
        "g/1.5",
        "g/9",
        "g/10",
        "g/2025-12-31",
        "g/2026-01-02",
    ]
