"""Functions of the game's, shipped by value into its mods: at import, in a live mod, after whatever happens."""

import math
import os
import signal
import sys
import threading
import types
from pathlib import Path

import pytest
from fumehood.runner import MessageTooLarge, ModError, PayloadError, UsageError, game_helpers

USER = """
from fumehood.worker import helpers, on
V = {version}
{more}
@on("use")
def use(*args): return helpers.path_cost(*args)
@on("die")
def die(): __import__("os")._exit(3)
"""


def user(version=1, more=""):
    return USER.format(version=version, more=more)


OFFSET = 10


def inner(a):
    return math.floor(a) + OFFSET


def path_cost(a, b):
    return inner(a) * b


@pytest.fixture
def alone(root, launched):
    with launched(root.root) as bench:
        yield bench


def test_a_helper_is_there_at_import_in_selftest_and_live(alone):
    """With what it refers to: a function and a number of a module that no worker can import."""
    alone.mods.provide("path_cost", path_cost)
    more = "AT_IMPORT = helpers.path_cost(1.5, 2)\ndef selftest(): assert AT_IMPORT == 22\n"
    alone.load("a", user(1, more))
    assert alone.mods["a"].call("use", 2.5, 3) == 36


def test_it_reaches_mods_that_are_live_and_one_provided_anew_replaces_it(alone):
    for name in ("a", "b"):
        alone.load(name, user())
    with pytest.raises(ModError, match="provides no helper 'path_cost'"):
        alone.mods["a"].call("use", 1, 1)
    for value in range(30):
        alone.mods.provide("path_cost", lambda *_, value=value: value)
        assert [alone.mods[name].call("use") for name in ("a", "b")] == [value, value]


def test_every_worker_that_comes_later_has_it(alone):
    alone.load("a", user(1))
    alone.mods.provide("path_cost", lambda: "here")
    alone.load("a", user(2))
    assert alone.mods["a"].call("use") == "here"
    alone.mods.provide("path_cost", lambda: "newer")
    since = alone.mark()
    assert not alone.mods["a"].call_outcome("die").ok
    alone.next("a", since, "rolled back")
    assert alone.mods["a"].call("use", timeout=20) == "newer", "the standby has it too"
    since = alone.mark()
    os.kill(alone.status("a").pid, signal.SIGKILL)
    alone.next("a", since, "rolled back")
    assert alone.mods["a"].call("use", timeout=20) == "newer"
    assert alone.mods.load(alone.mods.save()).ok
    assert alone.mods["a"].call("use") == "newer"


def test_no_mod_sees_how_far_another_has_read_or_opens_them_for_writing(alone):
    """One description for all would have one position, which each can set and ask for."""
    more = """
import os
def on_seek(place): return os.lseek(helpers._fd, place, os.SEEK_SET)
def on_where(): return os.lseek(helpers._fd, 0, os.SEEK_CUR)
def on_mode(): return os.fstat(helpers._fd).st_mode & 0o777
"""
    for name in ("a", "b"):
        alone.load(name, user(1, more))
    alone.mods.provide("path_cost", path_cost)
    assert alone.mods["a"].call("seek", 12345) == 12345
    assert alone.mods["a"].call("where") == 12345
    assert alone.mods["b"].call("where") == 0
    assert alone.mods["a"].call("mode") == 0o400
    assert alone.mods["b"].call("use", 2.5, 3) == 36


def test_a_mod_that_is_busy_gets_it_between_two_messages(alone):
    more = """
import time
@on("nap")
def nap():
    before = helpers.path_cost()
    time.sleep(0.3)
    return [before, helpers.path_cost()]
"""
    alone.mods.provide("path_cost", lambda: 1)
    alone.load("a", user(1, more))
    alone.mods["a"].post("nap")
    for value in (2, 3, 4):
        alone.mods.provide("path_cost", lambda value=value: value, timeout=0.0)
    assert alone.mods["a"].call("nap", timeout=20) in ([4, 4], [1, 1], [2, 2])
    alone.mods.provide("path_cost", lambda: 5)
    assert alone.mods["a"].call("use") == 5


def test_what_does_not_load_is_an_error_where_it_is_used(alone):
    """A package that mods may not import: not at the start, and with what to do."""
    module = types.ModuleType("only_here")
    module.__file__ = str(Path(pytest.__file__).parent / "only_here.py")
    exec("def far(): return 1", vars(module))
    module.far.__module__ = "only_here"
    sys.modules["only_here"] = module
    try:
        alone.mods.provide("path_cost", [module.far])
    finally:
        del sys.modules["only_here"]
    alone.load("a", user())
    with pytest.raises(ModError, match=r"HelperError.*only_here.*packages=\["):
        alone.mods["a"].call("use")
    alone.mods.provide("path_cost", lambda: "mended")
    assert alone.mods["a"].call("use") == "mended"


def test_what_the_game_cannot_mean_is_refused(alone):
    for name in ("", "a b", "_private", "class", 3, None, "x" * 101):
        with pytest.raises(UsageError, match="name"):
            alone.mods.provide(name, path_cost)
    with pytest.raises(PayloadError, match="by value"):
        alone.mods.provide("lock", threading.Lock())
    with pytest.raises(MessageTooLarge, match="hold on to"):
        alone.mods.provide("large", b"x" * (1 << 20))
    with pytest.raises(UsageError, match="timeout"):
        alone.mods.provide("late", path_cost, timeout="soon")
    for number in range(64):
        alone.mods.provide(f"h{number}", number)
    with pytest.raises(UsageError, match="64 helpers"):
        alone.mods.provide("one_more", 1)
    alone.load("a", user(1, "@on('sum')\ndef sum_(): return sum(getattr(helpers, f'h{n}') for n in range(64))\n"))
    assert alone.mods["a"].call("sum") == sum(range(64))


def test_a_mod_that_claims_to_have_them_or_never_answers_harms_only_itself(alone):
    more = "@on('lie')\ndef lie():\n    for n in range(50): grip()['Link'].tell(Equipped(n))\n"
    text = alone.hostile(user(1, more)).replace("import pack", "import Equipped, pack")
    alone.load("liar", text)
    alone.load("deaf", user(1, "import time\n@on('hang')\ndef hang():\n    while True: pass\n"))
    alone.load("good", user())
    alone.mods["liar"].post("lie")
    alone.mods["deaf"].post("hang")
    for value in range(300):
        alone.mods.provide("path_cost", lambda value=value: value, timeout=0.0)
    alone.mods.provide("path_cost", lambda: "last")
    assert alone.mods["good"].call("use") == "last"
    assert alone.mods["liar"].call("use", timeout=20) == "last"


def test_nothing_is_left_of_what_was_replaced(alone, until):
    def held(pid):
        """Descriptors of memory that helpers lie in."""
        links = [entry.readlink() for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink()]
        return sum(str(link).startswith("/memfd:fumehood:helper") for link in links)

    alone.load("a", user())
    before = len(list(Path("/proc/self/fd").iterdir()))
    for value in range(20):
        alone.mods.provide("path_cost", lambda value=value: value)
    assert alone.mods["a"].call("use") == 19
    until(lambda: held(alone.supervisor.pid) == held(alone.status("a").pid) == 1, "one memory holds them all")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_nothing_of_cloudpickles_register_is_left():
    import cloudpickle

    before = set(cloudpickle.list_registry_pickle_by_value())
    game_helpers.by_value("x", path_cost, [])
    assert set(cloudpickle.list_registry_pickle_by_value()) == before
