"""The order of paths, and the reserved folder."""

from hypothesis import given
from hypothesis import strategies as st

from trees.paths import RESERVED_FOLDER, is_reserved, walk_order, walks_joined

names = st.binary(min_size=1, max_size=8).filter(lambda name: not {0, 47} & set(name) and name not in (b".", b".."))
paths = st.lists(names, min_size=1, max_size=4).map(b"/".join)
odd_names = st.sampled_from([RESERVED_FOLDER, RESERVED_FOLDER + b"2", RESERVED_FOLDER[:-1], b"a"])


@given(one=paths, other=paths)
def test_the_order_of_paths_is_that_of_a_walk(one: bytes, other: bytes) -> None:
    assert (walk_order(one) < walk_order(other)) == (one.split(b"/") < other.split(b"/"))


@given(left=st.sets(paths), right=st.sets(paths))
def test_two_walks_side_by_side_meet_at_the_paths_that_both_have(left: set[bytes], right: set[bytes]) -> None:
    sides = [sorted(paths, key=walk_order) for paths in (left, right)]
    joined = list(walks_joined(*sides, left_path=bytes, right_path=bytes))
    assert [one or other for one, other in joined] == sorted(left | right, key=walk_order)
    assert [(one is not None, other is not None) for one, other in joined] == [
        (path in left, path in right) for path in sorted(left | right, key=walk_order)
    ]


@given(path=st.lists(odd_names, min_size=1, max_size=3).map(b"/".join))
def test_only_the_reserved_folder_and_its_content_are_reserved(path: bytes) -> None:
    assert is_reserved(path) == (path.split(b"/")[0] == RESERVED_FOLDER)
