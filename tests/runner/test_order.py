"""The load order: a pure function of what the manifests say."""

from fumehood.runner.order import Needs, load_order, required_by
from hypothesis import given
from hypothesis import strategies as st

NAMES = list("abcdefgh")
MODS = st.dictionaries(
    st.sampled_from(NAMES),
    st.builds(Needs, st.integers(-2, 2), st.lists(st.sampled_from([*NAMES, "nobody"]), max_size=3)),
)


def test_requirements_come_first_then_order_then_name():
    mods = {"a": Needs(0, ["z"]), "b": Needs(), "c": Needs(-1), "z": Needs(5), "y": Needs(1)}
    assert load_order(mods) == ["c", "b", "y", "z", "a"]


def test_what_is_required_directly_or_through_others():
    mods = {"a": Needs(0, ["b"]), "b": Needs(0, ["c", "nobody"]), "c": Needs(0, ["a"]), "d": Needs()}
    assert set(required_by("a", mods)) == {"b", "c"}
    assert not set(required_by("d", mods))
    assert not set(required_by("unknown", mods))


@given(MODS)
def test_every_mod_once_and_who_is_required_first(mods):
    ordered = load_order(mods)
    assert sorted(ordered) == sorted(mods)
    place = {name: at for at, name in enumerate(ordered)}

    def in_a_circle(name):
        return any(name in (other, *required_by(other, mods)) for other in mods[name].requires if other in mods)

    for name, needs in mods.items():
        if not any(map(in_a_circle, (name, *required_by(name, mods)))):
            assert all(place[other] < place[name] for other in needs.requires if other in mods)


@given(MODS, st.randoms())
def test_the_order_does_not_depend_on_who_was_seen_first(mods, random):
    items = list(mods.items())
    random.shuffle(items)
    assert load_order(dict(items)) == load_order(mods)
