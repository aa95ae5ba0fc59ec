"""The state from version to version: what is carried, what is refused with its path, and what migrate may do."""

import collections
import functools
import io
import socket
import struct
import sys
import threading
import types

import pytest
from fumehood.shared.errors import StateError
from fumehood.shared.messages import Carried, Drained, Live, Rehearse, Start, Unfit
from fumehood.worker import handover

BIG = 10**6


class Holder:
    def __init__(self, **fields):
        self.__dict__.update(fields)

    def method(self):
        return self.x


class Slotted:
    __slots__ = ("empty", "inner")

    def __init__(self, inner):
        self.inner = inner


class Pair(collections.namedtuple("Pair", "a b")):
    __slots__ = ()


class FailsToPickle:
    def __reduce__(self):
        raise ZeroDivisionError("no way")


class FailsToLoad:
    def __reduce__(self):
        return (int, ("x",))


def function():
    return 1


def local_class():
    class Local:
        pass

    return Local


@pytest.fixture
def here(monkeypatch):
    """This module under a name that pickle finds, as a mod's is."""
    module = sys.modules[__name__] if __name__ in sys.modules else types.ModuleType(__name__)
    module.__dict__.update(globals())
    monkeypatch.setitem(sys.modules, __name__, module)


def test_what_pickle_carries_comes_back(here):
    state = {
        "n": 1, "t": (1, [2, {3}]), "b": b"x" * 100_000, None: frozenset([1]), "h": Holder(x=Holder(y=1)),
        "s": Slotted(5), "c": Holder, "f": function, "d": collections.defaultdict(list, a=[1]), "p": Pair(1, 2),
        "memory": io.BytesIO(b"abc"), "partial": functools.partial(function), "none": type(None), "v": memoryview(b"v"),
        "q": collections.deque([1]), "m": Holder(x=7).method,
    }  # fmt: skip
    again = handover.load(handover.dump(state, BIG))
    assert list(again) == list(state)
    assert again["h"].x.y == 1
    assert (again["s"].inner, again["c"], again["f"], again["d"]["new"]) == (5, Holder, function, [])
    assert again["memory"].read() == b"abc"
    assert again["p"] == Pair(1, 2)
    assert again["m"]() == 7


def test_one_object_in_two_places_stays_one_and_cycles_close(here):
    shared = Holder()
    shared.own = shared
    again = handover.load(handover.dump({"a": shared, "b": [shared]}, BIG))
    assert again["a"] is again["b"][0] is again["a"].own


def refusals():
    lock = threading.Lock()
    yield {"jobs": [0, 1, Holder(callback=lambda: 1)]}, "state['jobs'][2].callback is a lambda"
    yield {"f": local_class}, None
    yield {"c": local_class()}, "state['c'] is the local class local_class.<locals>.Local"
    yield {"i": [local_class()()]}, "the type of state['i'][0] is the local class"
    yield {"d": collections.defaultdict(lambda: 0)}, "state['d'].default_factory is a lambda"
    yield {"p": functools.partial(lambda: 0)}, "state['p'].func is a lambda"
    yield {"s": Slotted(lambda: 0)}, "state['s'].inner is a lambda"
    yield {"t": ({1: [lambda: 0]},)}, "state['t'][0][1][0] is a lambda"
    yield {(1, function.__get__(lambda: 0)): 1}, "state.key(<tuple>)[1].__self__ is a lambda"
    yield {"l": lock}, "state['l'] is a _thread.lock, which belongs to this process alone"
    yield {"t": threading.Thread()}, "state['t'] is a threading.Thread"
    yield {"g": (x for x in ())}, "state['g'] is a generator"
    yield {"m": [sys]}, "state['m'][0] is a module"
    yield {"o": sys.__stdout__}, "state['o'] is an _io.TextIOWrapper"
    yield {"code": function.__code__}, "state['code'] is a code, which carries code"
    yield {"fail": [FailsToPickle()]}, "state['fail'][0] is a "
    yield {"it": {"x": object().__reduce_ex__}}, None
    yield {"frame": sys._getframe()}, "state['frame'] is a frame"
    yield {"deep": functools.reduce(lambda inner, _: [inner], range(100_000), [])}, "the state is nested too deeply"


@pytest.mark.parametrize(("state", "message"), list(refusals()), ids=lambda value: None)
def test_what_must_not_be_carried_is_refused_with_its_path(here, state, message):
    if message is None:
        handover.dump(state, BIG)
        return
    with pytest.raises(StateError) as caught:
        handover.dump(state, BIG)
    assert str(caught.value).startswith(message)


def test_an_open_socket_is_refused(here):
    one, other = socket.socketpair()
    with one, other, pytest.raises(StateError, match=r"state\['s'\] is a socket.socket, which belongs to this process"):
        handover.dump({"s": one}, BIG)


def test_a_class_that_was_defined_anew_is_refused(here, monkeypatch):
    old = Holder()
    monkeypatch.setattr(sys.modules[__name__], "Holder", type("Holder", (), {}))
    with pytest.raises(StateError, match=r"the type of state\['x'\] is the class Holder, which is no longer"):
        handover.dump({"x": old}, BIG)


def test_the_limit_counts_every_byte(here):
    data = handover.dump({"x": b"y" * 5000}, BIG)
    assert handover.dump({"x": b"y" * 5000}, len(data)) == data
    with pytest.raises(StateError, match="longer than"):
        handover.dump({"x": b"y" * 5000}, len(data) - 1)


def test_bytes_of_another_python_are_named_and_not_opened(here):
    data = handover.dump({}, BIG)
    other = data[:5] + bytes([data[5] + 1]) + data[6:]
    with pytest.raises(StateError, match=rf"written by Python 3.{sys.version_info[1] + 1} .* and this is Python 3"):
        handover.load(other)


@pytest.mark.parametrize(
    "data", [b"", b"FHS1", b"nonsense and more", struct.pack(">4sBBBB", b"FHS2", *sys.version_info[:2], 5, 0)]
)
def test_bytes_that_are_not_ours_are_refused(data):
    with pytest.raises(StateError, match="do not begin as ours do"):
        handover.load(data)


def test_bytes_that_do_not_load_are_refused_with_the_reason(here):
    header = handover.dump({}, BIG)[:8]
    for broken in (b"", b"\x80\x05.", b"\x80\x05K\x01.", b"\x80\x05cnothing\nhere\n."):
        with pytest.raises(StateError):
            handover.load(header + broken)
    with pytest.raises(StateError, match="ValueError: invalid literal") as caught:
        handover.load(handover.dump({"x": FailsToLoad()}, BIG))
    assert isinstance(caught.value.__cause__, ValueError)


# --- in a worker ------------------------------------------------------------------------------------------------------

MIGRATING = """
    from fumehood.worker import state
    STATE_VERSION = 3
    class Thing:
        def __init__(self): self.x = 1
    def migrate(old, from_version):
        {body}
    def on_all(): return [dict(state), type(state).__name__]
"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return {'from': from_version, **old}", {"from": 2, "a": 1}),
        ("old['b'] = 2", {"a": 1, "b": 2}),
        ("import types; return types.MappingProxyType({'m': 1})", {"m": 1}),
    ],
)
def test_migrate_returns_a_mapping_or_changes_the_old_one(bench, body, expected):
    bench.live(MIGRATING.format(body=body), handover.dump({"a": 1}, BIG), 2)
    assert bench.call("all") == [expected, "State"]


def test_migrate_is_not_called_for_the_same_version_or_without_a_state(make_bench):
    source = MIGRATING.format(body="raise ValueError")
    same, none = make_bench(), make_bench()
    same.live(source, handover.dump({"a": 1}, BIG), 3)
    assert same.call("all")[0] == {"a": 1}
    none.live(source, b"", 0)
    assert none.call("all")[0] == {}


@pytest.mark.parametrize(
    ("source", "kind", "line", "message"),
    [
        (MIGRATING.format(body="return [1]"), "StateError", 0, "migrate() returned a list"),
        (MIGRATING.format(body="return old['no']"), "KeyError", 7, "'no'"),
        (MIGRATING.format(body="raise SystemExit"), "SystemExit", 7, ""),
        (
            "STATE_VERSION = 3\n",
            "StateError",
            0,
            "of version 2, this code says STATE_VERSION = 3, and there is no migrate",
        ),
    ],
)
def test_a_wrong_migration_is_refused_in_the_rehearsal(bench, source, kind, line, message):
    bench.begin(source)
    state = handover.dump({"a": 1}, BIG)
    bench.send(Rehearse(Carried(len(state), 2)), state)
    found = bench.next(Unfit).diagnostic
    assert (found.stage, found.kind, found.line) == ("rehearse", kind, line)
    assert message in found.message


def test_a_class_that_the_new_version_lacks_is_named(make_bench):
    old, new = make_bench(), make_bench()
    old.live("from fumehood.worker import state\nclass Thing: pass\ndef on_f(): state['x'] = Thing()\n")
    old.call("f")
    old.port.end()
    data = old.saved(old.next(Drained))
    new.begin("x = 1\n")
    new.send(Rehearse(Carried(len(data), 1)), data)
    found = new.next(Unfit).diagnostic
    assert (found.stage, found.kind) == ("rehearse", "StateError")
    assert "AttributeError: Can't get attribute 'Thing' on <module 'mods.weather'" in found.message


def test_old_instances_run_new_code_and_the_state_may_hold_itself(make_bench):
    versions = [make_bench(), make_bench()]
    data = b""
    for number, bench in enumerate(versions):
        bench.live(
            {
                "__init__.py": "from . import things\nfrom .things import Thing\n"
                "from fumehood.worker import game, log, on, state\n"
                "@on('make')\ndef make():\n    state['x'] = Thing(state, game, log)\n"
                "@on('ask')\ndef ask():\n    return state['x'].ask()\n",
                "things.py": "class Thing:\n"
                "    def __init__(self, *own): self.own = own\n"
                "    def ask(self):\n"
                f"        return [{number}, self.own[0]['x'] is self, repr(self.own[1]), self.own[2].name]\n",
            },
            data,
        )
        if not data:
            bench.call("make")
        assert bench.call("ask") == [number, True, "<fumehood game>", "fumehood.mod"]
        bench.port.end()
        data = bench.saved(bench.next(Drained))


def test_a_restore_that_fails_is_not_live_and_names_its_stage(bench):
    bench.begin("class A:\n    def __setstate__(self, state): raise ValueError('broken')\n")
    bench.offer()
    header = handover.dump({}, BIG)[:8]
    pickled = b"\x80\x05}\x8c\x01a\x8c\x0cmods.weather\x8c\x01A\x93)\x81K\x01bs."
    bench.send(Start(3, Carried(len(header + pickled), 1), 0, 0), header + pickled)
    found = bench.next(Unfit).diagnostic
    assert (found.stage, found.kind, found.line) == ("restore", "StateError", 2)
    assert "ValueError: broken" in found.message


def test_on_load_finds_the_real_state_and_runs_once(bench):
    bench.live(
        "from fumehood.worker import game, state\n"
        "def on_load():\n    state['loads'] = state.get('loads', 0) + 1\n    game.send('loaded', a=state['a'])\n"
        "def on_loads(): return state['loads']\n",
        handover.dump({"a": 5}, BIG),
    )
    assert bench.call("loads") == 1
    assert bench.intents[0].fields == {"a": 5}
    assert bench.of(Live) == []
