"""Mods that require others: load order, shared code, reloads with the library, and what is said when it cannot be."""

from fumehood.shared.policy import Limits

MATHLIB = "def twice(x): return {factor} * x\n"
USER = """
# /// script
# [tool.fumehood]
# requires = [{requires}]
# ///
from fumehood.worker import game, on, state
from mods.{library} import twice
@on("twice")
def ask(x):
    state["asked"] = state.get("asked", 0) + 1
    return [twice(x), state["asked"]]
@on("tick")
def tick(): game.said()
"""
ORDERED = """
# /// script
# [tool.fumehood]
# order = {order}
# ///
from fumehood.worker import game, on
@on("tick")
def tick(): game.said()
"""


def user(library, *requires):
    return USER.format(library=library, requires=", ".join(f'"{name}"' for name in requires or (library,)))


def test_a_change_in_a_library_reloads_who_requires_it_once_and_in_order(launched, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.save("zlib.py", MATHLIB.format(factor=2))
        bench.save("a.py", user("zlib"))
        bench.mods.wait("a", timeout=20)
        assert bench.mods["a"].call("twice", 4, timeout=20) == [8, 1]
        since = bench.mark()
        bench.load("zlib", MATHLIB.format(factor=3))
        bench.next("a", since)
        assert bench.mods["a"].call("twice", 4, timeout=20) == [12, 2]
        assert [(r.mod, r.verdict) for r in bench.mods.receipts(since)] == [("zlib", "live"), ("a", "live")]


def test_a_bulk_change_activates_libraries_before_their_users(launched, tmp_path):
    """By name `a` would come first, and its library takes longer to load."""
    with launched(tmp_path / "mods") as bench:
        (bench.root / "new").mkdir()
        (bench.root / "new" / "z.py").write_text("import time\ntime.sleep(0.3)\n" + MATHLIB.format(factor=2))
        (bench.root / "new" / "a.py").write_text(user("new.z", "new/z"))
        bench.mods.wait("new/a", timeout=20)
        assert [r.mod for r in bench.mods.receipts()] == ["new/z", "new/a"]


def test_a_library_that_breaks_leaves_everybody_on_what_was_good(launched, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.save("zlib.py", MATHLIB.format(factor=2))
        bench.save("a.py", user("zlib"))
        bench.mods.wait("a", timeout=20)
        since = bench.mark()
        bench.load("zlib", "def twice(x:\n", "refused")
        diagnostic = bench.next("a", since, "refused").diagnostic
        assert (diagnostic.file, diagnostic.line) == ("zlib.py", 1)
        assert bench.mods["a"].call("twice", 4, timeout=20) == [8, 1]
        since = bench.mark()
        bench.load("zlib", MATHLIB.format(factor=5))
        bench.next("a", since)
        assert bench.mods["a"].call("twice", 4, timeout=20) == [20, 2]


def test_a_missing_library_is_named_and_the_mod_goes_live_when_it_comes(launched, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.load("zlob", MATHLIB.format(factor=1))
        diagnostic = bench.load("a", user("zlib"), "refused").diagnostic
        assert diagnostic.kind == "MissingRequirement"
        assert diagnostic.message == "it requires 'zlib', and there is no such mod; did you mean 'zlob'?"
        since = bench.mark()
        bench.save("zlib.py", MATHLIB.format(factor=2))
        bench.next("a", since)
        assert bench.mods["a"].call("twice", 4, timeout=20) == [8, 1]
        (bench.root / "zlib.py").unlink()
        assert bench.next("a", bench.mark(), "refused").diagnostic.kind == "MissingRequirement"
        assert bench.mods["a"].call("twice", 4, timeout=20) == [8, 2], "what was live goes on"


def test_a_crash_does_not_wait_for_a_library_that_loads(launched, tmp_path):
    """What is loaded anew carries its libraries; and nobody serves meanwhile."""
    with launched(tmp_path / "mods", limits=Limits(load_timeout=30.0)) as bench:
        bench.save("zlib.py", MATHLIB.format(factor=2))
        bench.save("a.py", user("zlib") + "@on('die')\ndef die(): __import__('os')._exit(1)\n")
        bench.mods.wait("a", timeout=20)
        bench.save("zlib.py", "import time\ntime.sleep(25)\n" + MATHLIB.format(factor=3))
        while bench.mods.settle(0.01):
            bench.mods.emit("tick")
        bench.mods["a"].post("die")
        assert bench.mods["a"].call("twice", 4, timeout=15)[0] == 8


def test_a_library_that_was_refused_takes_its_users_with_it(launched, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.save("zlib.py", MATHLIB.format(factor=2))
        bench.save("a.py", user("zlib"))
        bench.mods.wait("a", timeout=20)
        since = bench.mark()
        bench.load("zlib", MATHLIB.format(factor=666) + "def selftest(): assert False\n", "refused")
        diagnostic = bench.next("a", since, "refused").diagnostic
        assert diagnostic.kind == "BrokenRequirement"
        assert "'zlib'" in diagnostic.message
        assert bench.mods["a"].call("twice", 4, timeout=20)[0] == 8


def test_a_refused_save_does_not_change_the_order(launched, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.load("a", ORDERED.format(order=1))
        bench.load("b", ORDERED.format(order=2))
        bench.load("b", ORDERED.format(order=-9) + "def broken(:\n", "refused")
        assert list(bench.mods.emit("tick", budget=20).results) == ["a", "b"]
        bench.load("b", ORDERED.format(order=-9))
        assert list(bench.mods.emit("tick", budget=20).results) == ["b", "a"]


def test_a_circle_is_named(launched, tmp_path):
    with launched(tmp_path / "mods") as bench:
        bench.load("a", user("b"), "refused")
        bench.load("b", user("c"), "refused")
        since = bench.mark()
        bench.load("c", user("a"), "refused")
        message = bench.next("a", since, "refused").diagnostic.message
        assert message == "it requires itself: a → b → c → a"
        since = bench.mark()
        bench.load("c", MATHLIB.format(factor=2))
        bench.next("a", since)
        bench.mods.settle(20)
        assert {status.name: status.role for status in bench.mods.status()} == dict.fromkeys("abc", "active")


def test_names_that_lead_elsewhere_are_missing(launched, tmp_path):
    (tmp_path / "outside.py").write_text("")
    with launched(tmp_path / "mods") as bench:
        for number, name in enumerate(("../outside", "/etc/passwd", "", ".", "b/../b", "b\\\\x")):
            bench.save("b.py", "")
            text = f'# /// script\n# [tool.fumehood]\n# requires = ["{name}"]\n# ///\n'
            assert bench.load(f"a{number}", text, "refused").diagnostic.kind == "MissingRequirement"


def test_intents_and_events_follow_the_load_order(launched, tmp_path):
    """Not the names, and not who answered first."""
    with launched(tmp_path / "mods") as bench:
        bench.save("d.py", ORDERED.format(order=-5))
        bench.save("a.py", ORDERED.format(order=7))
        bench.save("c.py", ORDERED.format(order=0))
        bench.save("b.py", user("zlib"))
        bench.save("zlib.py", MATHLIB.format(factor=2) + ORDERED.format(order=6))
        for name in ("a", "b", "c", "d", "zlib"):
            bench.mods.wait(name, timeout=20)
        bench.mods.settle(20)
        report = bench.mods.emit("tick", budget=20)
        assert list(report.results) == ["d", "c", "zlib", "b", "a"]
        assert [intent.mod for intent in bench.mods.intents()] == ["d", "c", "zlib", "b", "a"]
        since = bench.mark()
        bench.load("a", ORDERED.format(order=-9))
        assert bench.next("a", since).verdict == "live"
        bench.mods.emit("tick", budget=20)
        assert [intent.mod for intent in bench.mods.intents()] == ["a", "d", "c", "zlib", "b"]
