from hypothesis import given
from hypothesis import strategies as st

from chat.branches import Node, Tree

#: 1 ─ 2 ─ 3 ─ 4, and beside 3: 5 ─ 6, and beside 6: 7 ─ 8.
TREE = Tree([Node(1, None), Node(2, 1), Node(3, 2), Node(4, 3), Node(5, 2), Node(6, 5), Node(7, 5), Node(8, 7)])


def test_a_path_leads_back_to_the_first_question() -> None:
    assert TREE.path_to(6) == {1, 2, 5, 6}
    assert TREE.path_to(None) == set()
    assert TREE.path_to(99) == set()


def test_another_version_brings_the_newest_of_what_followed_it() -> None:
    assert TREE.path_through(3) == {1, 2, 3, 4}
    assert TREE.path_through(5) == {1, 2, 5, 7, 8}
    assert TREE.path_through(6) == {1, 2, 5, 6}


@given(st.lists(st.integers(min_value=0, max_value=10**6), min_size=1, max_size=60))
def test_every_path_is_one_line_from_a_root_to_a_leaf(choices: list[int]) -> None:
    """Each message follows any earlier one, or none."""
    parents = {pk: choice % pk or None for pk, choice in enumerate(choices, 1)}
    tree = Tree(Node(pk, parent) for pk, parent in parents.items())
    for pk in parents:
        path = sorted(tree.path_through(pk))
        assert pk in path
        assert [parents[message] for message in path] == [None, *path[:-1]]
        assert path[-1] not in parents.values()
