"""The order of paths, and the reserved folder."""

from hypothesis import given
from hypothesis import strategies as st

from trees.paths import RESERVED_FOLDER, is_reserved, walk_order

names = st.binary(min_size=1, max_size=8).filter(lambda name: not {0, 47} & set(name) and name not in (b".", b".."))
paths = st.lists(names, min_size=1, max_size=4).map(b"/".join)
odd_names = st.sampled_from([RESERVED_FOLDER, RESERVED_FOLDER + b"2", RESERVED_FOLDER[:-1], b"a"])


@given(one=paths, other=paths)
def test_the_order_of_paths_is_that_of_a_walk(one: bytes, other: bytes) -> None:
    assert (walk_order(one) < walk_order(other)) == (one.split(b"/") < other.split(b"/"))


@given(path=st.lists(odd_names, min_size=1, max_size=3).map(b"/".join))
def test_only_the_reserved_folder_and_its_content_are_reserved(path: bytes) -> None:
    assert is_reserved(path) == (path.split(b"/")[0] == RESERVED_FOLDER)
