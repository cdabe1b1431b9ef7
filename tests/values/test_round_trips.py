"""What is stored comes back as what it was: the value, its type, the types inside."""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import math
import pathlib
import uuid
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramify.values import LazyDict, deserialize, serialize
from ramify.values.payload import read_payload, write_payload


class Colour(enum.Enum):
    RED = 1


class Bits(enum.Flag):
    A = 1
    B = 2


@dataclasses.dataclass
class Point:
    x: float
    y: tuple[int, ...] = ()
    made: list[int] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.made.append(1)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    inner: Point
    kind: Colour = Colour.RED


@dataclasses.dataclass
class OwnState:
    x: int

    def __getstate__(self):
        return {"x": self.x + 1}


@dataclasses.dataclass
class Listy(list):
    x: int = 0


class Text(str):
    pass


class Whole(int):
    pass


class Many(list):
    pass


class Pair(collections.namedtuple("Pair", "a b")):
    pass


Twin = collections.namedtuple("Twin", "a b")


def stored(value, tmp_path, encoders=None):
    record = write_payload(value, str(tmp_path / "v"), encoders)
    return read_payload(str(tmp_path / "v"), record, encoders), record


def same(one, two):
    """Equality that sees types, signs of zero and NaN."""
    if type(one) is not type(two):
        return False
    if isinstance(one, float):
        return repr(one) == repr(two)
    if isinstance(one, complex):
        return repr(one) == repr(two)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, dict):
        return len(one) == len(two) and all(
            same(k, q) and same(v, w) for (k, v), (q, w) in zip(one.items(), two.items(), strict=True)
        )
    if isinstance(one, set | frozenset):
        return sorted(map(repr, one)) == sorted(map(repr, two))
    return one == two


CASES = [
    (None, "json"),
    (True, "json"),
    (0, "json"),
    (-(2**63), "json"),
    (2**64 - 1, "json"),
    (2**64, "json-tagged"),
    (-(2**20000), "json-tagged"),
    (1.5, "json"),
    (-0.0, "json"),
    (math.nan, "json-tagged"),
    (-math.inf, "json-tagged"),
    ("", "json"),
    ("\u2028 \x00 é", "json"),
    ("\ud800", "json-tagged"),
    ([], "json"),
    ([1, "a", None, True, [2.5, {"k": [1]}]], "json"),
    ([{"@": 1}], "json"),
    ([(1,), {"@": 1}], "json-tagged"),
    ([{"@ramify": 1}], "json"),
    ((), "json-tagged"),
    ((1, (2, [3])), "json-tagged"),
    ([{1: 2}], "json-tagged"),
    ([{10: 1, 2: 2}], "json-tagged"),
    ([{(1, 2): "x", None: 0}], "json-tagged"),
    ({1, 2}, "json-tagged"),
    (frozenset({(1, "a")}), "json-tagged"),
    (b"\x00\xff", "json-tagged"),
    (bytearray(b"ab"), "json-tagged"),
    (complex(-0.0, math.nan), "json-tagged"),
    (range(1, 10, 3), "json-tagged"),
    (dt.date(2026, 1, 2), "json-tagged"),
    (dt.datetime(2026, 1, 2, 3, 4, 5, 6), "json-tagged"),
    (dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "json-tagged"),
    (dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(minutes=-30))), "json-tagged"),
    (dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=1), "CET")), "pickle"),
    (dt.datetime(2026, 1, 2, tzinfo=ZoneInfo("Europe/Berlin")), "pickle"),
    (dt.time(1, 2, 3), "json-tagged"),
    (dt.timedelta(days=-1, microseconds=3), "json-tagged"),
    (decimal.Decimal("1.10"), "json-tagged"),
    (fractions.Fraction(1, 3), "json-tagged"),
    (uuid.UUID(int=5), "json-tagged"),
    (pathlib.PurePosixPath("a/b"), "json-tagged"),
    (pathlib.Path("a/b"), "json-tagged"),
    (Colour.RED, "json-tagged"),
    (Bits.A, "json-tagged"),
    (Bits.A | Bits.B, "pickle"),
    (Frozen(Point(1.0, (1,))), "json-tagged"),
    (Point(1.0), "json-tagged"),
    (OwnState(1), "pickle"),
    (Twin(1, 2), "pickle"),
    (Pair(1, 2), "pickle"),
    (Text("a"), "pickle"),
    (Whole(1), "pickle"),
    (Many([1]), "pickle"),
    ([Text("a")], "pickle"),
    (collections.OrderedDict(a=1), "pickle"),
    (collections.defaultdict(list, a=[1]), "pickle"),
    (collections.Counter("aab"), "pickle"),
    ({Text("a"): 1}, "pickle"),
    ({"": 1}, "json"),
    ({"a/b": (1, 2)}, "json-tagged"),
    ({"@ramify": "tagged", "value": 1}, "json-tagged"),
    ({"@": 1}, "json"),
    ({Ellipsis: 1}, "pickle"),
    (Colour, "pickle"),
    (print, "pickle"),
]


@pytest.mark.parametrize(("value", "encoding"), CASES, ids=lambda v: type(v).__name__)
def test_a_value_comes_back_as_what_it_was(value, encoding, tmp_path):
    back, record = stored(value, tmp_path)
    assert record["encoding"] == encoding
    if isinstance(value, OwnState):
        assert back.x == 2  # its own way of pickling holds
        return
    assert same(back, value)


@pytest.mark.parametrize(("value", "encoding"), CASES, ids=lambda v: type(v).__name__)
def test_it_can_be_read_without_its_sidecar(value, encoding, tmp_path):
    serialize(value, tmp_path / "v")
    (tmp_path / "v.ramify").unlink()
    back = deserialize(tmp_path / "v")
    assert type(back) is type(value)


def test_a_dataclass_that_is_a_list_keeps_its_items(tmp_path):
    value = Listy(x=5)
    value.append(7)
    back, _ = stored(value, tmp_path)
    assert type(back) is Listy and list(back) == [7] and back.x == 5


def test_reading_a_dataclass_runs_no_code_of_its_class(tmp_path):
    back, record = stored(Point(1.0), tmp_path)
    assert record["encoding"] == "json-tagged"
    assert back.made == [1]


def test_one_object_twice_stays_one_object(tmp_path):
    inner = [1]
    back, record = stored([inner, inner], tmp_path)
    assert record["encoding"] == "pickle"
    assert back[0] is back[1]


def test_a_value_that_holds_itself(tmp_path):
    loop = []
    loop.append(loop)
    back, _ = stored(loop, tmp_path)
    assert back[0] is back
    dict_loop = {"a": {}}
    dict_loop["a"]["b"] = dict_loop
    back, record = stored(dict_loop, tmp_path / "..")
    assert record["encoding"] == "pickle"
    assert back["a"]["b"] is back


def test_deep_nesting_takes_the_next_encoder_and_is_no_crash(tmp_path):
    deep = []
    for _ in range(400):
        deep = [deep]
    back, record = stored(deep, tmp_path)
    assert record["encoding"] == "pickle"
    assert back == deep


@pytest.mark.slow
def test_nesting_beyond_any_encoder_is_told(tmp_path):
    deep = []
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(TypeError, match=r"list|deep"):
        write_payload(deep, str(tmp_path / "v"))
    assert list(tmp_path.iterdir()) == []
    while deep:
        deep = deep.pop()


@pytest.mark.slow
def test_doubling_tuples_do_not_explode(tmp_path):
    value = (1,)
    for _ in range(60):
        value = (value, value)
    back, record = stored(value, tmp_path)
    assert record["encoding"] == "pickle"
    assert back[0] is back[1]


def test_a_dict_deeper_than_paths_can_be(tmp_path):
    value = {"end": (1, 2)}
    for number in range(90):
        value = {f"{'level' * 10}-{number}": value}
    serialize(value, tmp_path / "v")
    back = deserialize(tmp_path / "v")
    while "end" not in back:
        (back,) = back.values()
    assert back["end"] == (1, 2)


@pytest.mark.parametrize("depth", [99, 150, 300])
def test_dicts_nested_deeply(depth, tmp_path):
    value = {"end": 1}
    for _ in range(depth):
        value = {"k": value}
    serialize(value, tmp_path / "v")
    back = deserialize(tmp_path / "v")
    while "end" not in back:
        back = back["k"]


def test_functions_and_classes_of_main_go_by_value(tmp_path):
    function = lambda x: x + 1
    back, record = stored(function, tmp_path)
    assert record["encoding"] == "pickle"
    assert back(1) == 2


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.complex_numbers()
    | st.dates()
    | st.datetimes()
    | st.timedeltas()
    | st.decimals(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.integers() | st.text(max_size=3) | st.booleans() | st.none(), inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(value=plain | anything)
def test_any_plain_value(value, tmp_path_factory):
    folder = tmp_path_factory.mktemp("v")
    serialize(value, folder / "v")
    back = deserialize(folder / "v")
    assert same(back.to_dict() if isinstance(back, LazyDict) else back, value)


keys = st.one_of(
    st.text(max_size=8),
    st.integers(),
    st.floats(allow_nan=False),
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.times(),
)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(value=st.dictionaries(keys, st.integers() | st.dictionaries(keys, st.text(), max_size=3), max_size=6))
def test_any_dict_keeps_its_keys_and_their_order(value, tmp_path_factory):
    folder = tmp_path_factory.mktemp("v")
    digest = serialize(value, folder / "v")
    back = deserialize(folder / "v")
    assert same(back.to_dict() if isinstance(back, LazyDict) else back, value)
    assert back == value
    assert serialize(value, folder / "w") == digest
