"""`fumehood.worker` as a mod's author meets it outside any worker: it imports, it marks, it says what it cannot do."""

import copy
import json
import pickle
import subprocess
import sys

import fumehood.worker
import pytest
from fumehood.worker import NotLive, api, game, handlers, log, on, state


@pytest.mark.parametrize("name", ["tick", "on_tick"])
def test_on_without_parentheses_names_the_function_and_the_remedy(name):
    def function(): ...

    function.__name__ = name
    with pytest.raises(TypeError, match=rf'@on above {name} names no event: write @on\("tick"\)'):
        on(function)


def test_the_names_stay_what_they_are_when_every_module_is_imported():
    code = """
import fumehood.worker as worker, pkgutil, importlib
before = [getattr(worker, name) for name in worker.__all__]
for module in pkgutil.iter_modules(worker.__path__):
    if module.name not in ("start", "zygote"):
        importlib.import_module(f"fumehood.worker.{module.name}")
assert before == [getattr(worker, name) for name in worker.__all__]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_importing_it_loads_nothing_of_linux_and_nothing_heavy():
    code = """
import sys
for name in ("fumehood.shared._ring", "fcntl", "cloudpickle", "msgspec", "select"):
    sys.modules.pop(name, None)
    sys.modules[name] = None  # importing it raises
before = set(sys.modules)
import fumehood.worker
print(sorted(name for name in set(sys.modules) - before if name.startswith("fumehood")))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert "loop" not in done.stdout


def test_on_only_marks_outside_a_worker():
    @on("tick", priority=3)
    @on("tock")
    def tick(dt):
        return dt

    assert tick(2) == 2
    assert handlers._recording is None


def test_on_takes_any_callable_and_no_class():
    assert on("e")(len) is len
    for wrong in (5, None, "f", int):
        with pytest.raises(TypeError, match="stands above a function"):
            on("e")(wrong)


@pytest.mark.parametrize("event", [5, None, b"x", len])
def test_on_wants_a_name(event):
    with pytest.raises(TypeError, match="takes the name of an event"):
        on(event)


@pytest.mark.parametrize("event", ["", "x" * 201, "ä" * 101, "\ud800"])
def test_on_wants_a_name_of_bounded_length_that_is_text(event):
    with pytest.raises(ValueError, match=r"bytes|surrogates"):
        on(event)


@pytest.mark.parametrize("priority", [1.5, "1", True, None, 2**31, -(2**31) - 1])
def test_on_wants_a_priority_that_is_a_small_int(priority):
    with pytest.raises(TypeError, match="priority"):
        on("e", priority=priority)


def test_the_game_is_not_there():
    with pytest.raises(NotLive, match=r"game.rain\(\) works only in a live mod"):
        game.rain(strength=0.7)
    with pytest.raises(NotLive, match=r"game.x\(\)"):
        game.send("x")
    with pytest.raises(TypeError, match="by name, like"):
        game.rain(0.7)
    with pytest.raises(TypeError):
        game.send(5)
    with pytest.raises(AttributeError):
        _ = game._private
    assert not hasattr(game, "__len__")
    assert copy.copy(game) is copy.deepcopy(game) is game is pickle.loads(pickle.dumps(game))


def test_the_state_is_a_dict_and_its_copies_are_others():
    state.clear()
    state["a"] = [1]
    try:
        assert repr(state) == "{'a': [1]}"
        assert json.dumps(state) == '{"a": [1]}'
        assert state == {"a": [1]}
        for other in (copy.copy(state), state.copy()):
            assert other == state
            assert other is not state
            assert other["a"] is state["a"]
        assert copy.deepcopy(state)["a"] is not state["a"]
        assert pickle.loads(pickle.dumps(state)) is state
    finally:
        state.clear()


CHANGES = {
    "set": lambda: state.__setitem__("a", 1),
    "delete": lambda: state.__delitem__("a"),
    "update": lambda: state.update(a=1),
    "setdefault": lambda: state.setdefault("a", 1),
    "pop": lambda: state.pop("a", None),
    "popitem": lambda: state.popitem(),
    "clear": lambda: state.clear(),
    "or": lambda: state.__ior__({"a": 1}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_closed_state_can_be_read_and_not_changed(change):
    api.close_state()
    try:
        with pytest.raises(NotLive, match="on_load"):
            change()
        assert dict(state) == {}
        assert state.get("a") is None
        assert fumehood.worker.state is state
    finally:
        api.open_state()
    state["a"] = 1
    state.clear()


def test_log_is_a_standard_logger(caplog):
    with caplog.at_level("INFO", logger=log.name):
        log.info("hello %s", "you")
    assert caplog.messages == ["hello you"]
