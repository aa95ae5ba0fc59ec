"""The helpers as a mod sees them: by name, loaded when they are used, replaced between two messages."""

import copy
import os
import pickle

import pytest
from fumehood.shared import segment
from fumehood.shared.errors import HelperError
from fumehood.worker import provided
from fumehood.worker.provided import Helpers, take


def given(owner, generation_of, **values):
    parts = {name: value if isinstance(value, bytes) else pickle.dumps(value) for name, value in values.items()}
    entries, offset = [], 0
    for name, part in parts.items():
        entries.append((name, generation_of.get(name, 1), offset, len(part)))
        offset += len(part)
    take(owner, entries, segment.frozen("test", b"".join(parts.values())))


@pytest.fixture
def helpers():
    made = Helpers()
    yield made
    if made._fd >= 0:
        os.close(made._fd)


def test_each_is_loaded_once_and_only_when_it_is_used(helpers):
    given(helpers, {}, first=[1], broken=b"no pickle", second=[2])
    assert helpers.second == [2]
    assert helpers.second is helpers.second
    with pytest.raises(HelperError, match=r"helpers\.broken cannot be loaded"):
        helpers.broken  # noqa: B018 - the access is what raises
    assert helpers.first == [1]
    assert dir(helpers) == ["broken", "first", "second"]


def test_one_provided_anew_is_loaded_anew_and_the_others_stay(helpers):
    given(helpers, {}, a=[1], b=[2])
    first, other = helpers.a, helpers.b
    given(helpers, {"a": 2}, a=[3], b=[2], c=[4])
    assert (helpers.a, helpers.c) == ([3], [4])
    assert first == [1]
    assert helpers.b is other


def test_a_name_that_is_not_there_says_what_is(helpers):
    with pytest.raises(AttributeError, match="it provides none"):
        helpers.path_cost  # noqa: B018
    given(helpers, {}, path_cost=1)
    with pytest.raises(AttributeError, match="did you mean 'path_cost'"):
        helpers.pathcost  # noqa: B018
    with pytest.raises(AttributeError, match="it provides path_cost"):
        helpers.zebra  # noqa: B018
    assert not hasattr(helpers, "__wrapped__")


def test_a_package_that_is_missing_is_named(helpers):
    given(helpers, {}, bad=b"cno_such_package\nthing\n.")
    with pytest.raises(HelperError, match=r"no_such_package.*packages=\["):
        helpers.bad  # noqa: B018


def test_the_one_there_is_goes_by_reference():
    assert pickle.loads(pickle.dumps(provided.helpers)) is provided.helpers
    assert copy.deepcopy(provided.helpers) is provided.helpers
    assert repr(Helpers()) == "<fumehood helpers: none>"
