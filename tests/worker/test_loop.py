"""The worker's life, spoken with over its real socket and its real ring."""

import signal
import socket
import time

import pytest
from fumehood.shared._ring import INHERITED_DONE, INHERITED_START, PARKED, STARTED, TAIL
from fumehood.shared.exits import Exit
from fumehood.shared.messages import (
    CALL_HEAD,
    MOST_CARRIED,
    Call,
    Carried,
    Checkpoint,
    Checkpointed,
    Drained,
    Emit,
    Emitted,
    Entered,
    Fault,
    Intent,
    Live,
    LogLine,
    Post,
    Ready,
    Rehearse,
    Reply,
    Retire,
    Start,
    Stop,
    Unfit,
    Value,
    pack,
    unpacker,
)
from fumehood.worker import handover

PATIENCE = 30.0
unpack_reply = unpacker(Reply, "the worker")

COUNTER = """
    from fumehood.worker import game, log, on, state

    @on("add")
    def add(n):
        state["n"] = state.get("n", 0) + n

    def on_total():
        return state.get("n")
"""


def test_a_life_from_assignment_to_retirement(bench):
    bound = bench.begin(COUNTER)
    assert bound.events == [("add", 0), ("total", 0)]
    assert (bound.state_version, bound.has_selftest) == (1, False)
    assert list(bound.stages) == ["compile", "import", "bind"]
    bench.offer()
    bench.start()
    assert bench.next(Live).restore_us > 0
    bench.post("add", 2)
    bench.post("add", 3)
    assert bench.call("total") == 5
    bench.send(Checkpoint(9))
    checkpoint = bench.next(Checkpointed)
    assert (checkpoint.serial, checkpoint.error) == (9, "")
    assert handover.load(bench.saved(checkpoint)) == {"n": 5}
    bench.post("add", 1)
    bench.port.end()
    drained = bench.next(Drained)
    assert handover.load(bench.saved(drained)) == {"n": 6}
    assert drained.state.version == 1
    assert bench.retire() == Exit.WORKER_RETIRED
    assert [entered.stage for entered in bench.of(Entered)] == ["compile", "import", "bind", "rehearse"]


def test_a_standby_is_revived_with_the_state_it_is_given(bench):
    bench.live(COUNTER)
    bench.post("add", 1)
    bench.port.end()
    bench.next(Drained)
    bench.port.reopen()
    bench.start(handover.dump({"n": 40}, 1000), 1)
    bench.next(Live)
    bench.post("add", 2)
    assert bench.call("total") == 42
    bench.port.end()
    assert handover.load(bench.saved(bench.next(Drained))) == {"n": 42}


def test_a_standbys_inheritance_is_counted_anew(bench):
    bench.begin(COUNTER)
    bench.offer()
    for life in (1, 2):
        bench.start(handover.dump({"n": 0}, 1000), 1, inherited=[pack(Post("add", [1]))] * (4 - life))
        bench.next(Live)
        assert bench.call("total") == 4 - life
        assert bench.up.load64(INHERITED_START) == bench.up.load64(INHERITED_DONE) == 4 - life
        bench.port.end()
        bench.next(Drained)
        bench.port.reopen()


def test_an_offered_worker_leaves_its_ring_alone_until_start(bench):
    bench.begin(COUNTER)
    bench.offer()
    bench.post("add", 7)
    bench.send(Checkpoint(1))
    assert bench.next(Checkpointed).error == "it is not live"
    assert bench.up.load64(TAIL) == 0
    bench.start()
    assert bench.call("total") == 7


def test_rehearsing_leaves_no_state_behind(bench):
    bench.begin(COUNTER)
    bench.offer(handover.dump({"n": 5}, 1000), 1)
    bench.start()
    assert bench.call("total") is None


def test_what_a_predecessor_never_began_comes_before_the_own_ring(bench):
    bench.begin(
        """
        from fumehood.worker import game, on

        @on("see")
        def see(what):
            game.send("saw", what=what)
            return what
        """
    )
    bench.offer()
    bench.post("see", "own")
    bench.start(inherited=[pack(Post("see", ["a"])), pack(Call(77, "see", ["b"])), pack(Emit(78, "see", ["c"]))])
    bench.next(Live)
    assert bench.of(Entered)[-1].stage == "run"
    replies = [bench.reply(), bench.reply()]
    assert replies == [Value(77, "b"), Emitted(78, ["c"], [])]
    assert bench.call("see", "end") == "end"
    assert [intent.fields["what"] for intent in bench.intents] == ["a", "b", "c", "own", "end"]
    assert (bench.up.load64(INHERITED_START), bench.up.load64(INHERITED_DONE)) == (3, 3)


def test_a_stop_ends_the_inheritance_too(bench):
    bench.begin(
        """
        import time
        from fumehood.worker import on, state

        @on("nap")
        def nap(seconds):
            time.sleep(seconds)
            state["n"] = state.get("n", 0) + 1
        """
    )
    bench.offer()
    bench.start(inherited=[pack(Post("nap", [0.01]))] * 3000)
    assert bench.next(Entered).stage == "run"
    bench.send(Stop())
    drained = bench.next(Drained)
    begun = bench.up.load64(INHERITED_START)
    assert begun < 3000
    assert handover.load(bench.saved(drained)).get("n", 0) == begun == bench.up.load64(INHERITED_DONE)
    assert not bench.of(Live), "it does not read its ring any more"


def test_handlers_run_by_priority_and_one_that_raises_stops_no_other(bench):
    bench.live(
        """
        from fumehood.worker import game, on

        @on("e")
        def first():
            game.send("ran", who="first")
            return 1

        @on("e", priority=-1)
        def last():
            game.send("ran", who="last")
            return 3

        @on("e", priority=10)
        def bad():
            game.send("ran", who="bad")
            raise ValueError("no")

        def on_e():
            game.send("ran", who="second")
            return 2
        """
    )
    answer = bench.emit("e")
    assert answer.values == [1, 2, 3]
    assert [error[:2] for error in answer.errors] == [("ValueError", "no")]
    assert [intent.fields["who"] for intent in bench.intents] == ["bad", "first", "second", "last"]
    bench.intents.clear()
    bench.post("e")
    assert bench.failing("e").kind == "ValueError"  # a call runs the one of highest priority alone
    assert [intent.fields["who"] for intent in bench.intents] == ["bad", "first", "second", "last", "bad"]


def test_an_unknown_event_is_the_games_mistake(bench):
    bench.live(COUNTER)
    assert bench.failing("nothing").kind == "NoHandler"
    bench.post("nothing")
    assert bench.emit("nothing").values == []
    bench.send(Retire())
    bench.next(Drained)
    assert not bench.of(Fault)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("raise KeyError('x')", "KeyError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("return f()", "RecursionError"),
        ("raise type('Own', (BaseException,), {})()", "Own"),
        ("raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})()", "Mute"),
        ("raise type('Number', (Exception,), {'__class__': property(lambda self: int)})()", "Number"),
        ("return 1 / 0", "ZeroDivisionError"),
    ],
)
def test_whatever_a_handler_raises_is_its_answer_and_never_its_end(bench, body, kind):
    bench.live(f"def on_f(): {body}\nf = on_f\ndef on_ok(): return 1\n")
    failed = bench.failing("f")
    assert failed.kind == kind
    assert 'File "weather.py", line 1, in on_f' in failed.traceback
    assert "loop.py" not in failed.traceback
    assert bench.emit("f").errors[0][0] == kind
    bench.post("f")
    assert bench.call("ok") == 1
    fault = bench.next(Fault)
    assert (fault.event, fault.diagnostic.kind, fault.diagnostic.file) == ("f", kind, "weather.py")
    assert (fault.diagnostic.stage, fault.diagnostic.line) == ("run", 1)


def test_an_exception_that_lies_about_its_class_is_an_answer_all_the_same(bench):
    bench.live(
        """
        class Zero(Exception):
            __class__ = property(lambda self: 1 / 0)
        def on_f(): raise Zero
        def on_ok(): return 1
        """
    )
    failed = bench.failing("f")
    assert (failed.kind, failed.message) == ("Zero", "<its text cannot be had: ZeroDivisionError>")
    assert bench.call("ok") == 1


def test_what_a_failed_handler_held_is_let_go_at_once(bench):
    """Its files are closed and its memory is free, without waiting for the garbage collector."""
    bench.live(
        """
        import gc, weakref
        gc.disable()
        refs = []
        class Held: pass
        def hold():
            held = Held()
            refs.append(weakref.ref(held))
            return held
        def on_fails():
            held = hold()
            raise ValueError
        def on_odd(): return hold()
        def on_long(): return ["x" * 2**20, hold()][:1]
        def on_left(): return [ref() is not None for ref in refs]
        """
    )
    for event in ("fails", "odd", "long", "fails", "odd"):
        bench.failing(event)
        assert not any(bench.call("left")), event


def test_arguments_as_deep_as_they_may_be_and_a_handler_that_fails(bench):
    bench.live("def on_f(x): raise ValueError('it ran')\ndef on_ok(): return 1\n")
    kinds = []
    for depth in range(900, 1020):
        call = CALL_HEAD + b"\x07\xa1f\x91" + b"\x91" * depth + b"\x90"
        assert bench.port.push(call)
        kinds.append(bench.reply().kind)
    assert set(kinds) == {"ValueError", "PayloadError"}
    assert kinds == sorted(kinds, reverse=True), "up to some depth they arrive, and beyond it they do not"
    assert bench.call("ok") == 1


@pytest.mark.parametrize("error", ["SystemExit(3)", "KeyboardInterrupt"])
def test_packing_may_raise_anything(bench, error):
    bench.live(
        f"""
        import datetime
        class Zone(datetime.tzinfo):
            def utcoffset(self, when): raise {error}
        def on_f(): return datetime.datetime(2000, 1, 1, tzinfo=Zone())
        def on_ok(): return 1
        """
    )
    assert bench.failing("f").kind == "PayloadError"
    assert bench.emit("f").errors[0][0] == "PayloadError"
    assert bench.call("ok") == 1


def test_faults_that_come_fast_are_merged_and_none_is_lost(bench):
    bench.live("def on_f(): raise ValueError\n")
    for _ in range(500):
        bench.post("f")
    bench.port.end()
    bench.next(Drained)
    faults = bench.of(Fault)
    assert sum(fault.count for fault in faults) == 500
    assert len(faults) < 100
    assert faults[0].count == 1


def test_a_return_value_that_cannot_travel_names_its_path(bench):
    bench.live(
        """
        def on_f(): return {"when": [object()]}
        def on_big(): return 2**64
        class Odd:
            __slots__ = ("__dict__",)
        def on_ok(): return (1, {2}, b"x", None)
        """
    )
    failed = bench.failing("f")
    assert failed.kind == "PayloadError"
    assert "['when'][0] is an object" in failed.message
    assert "64" in bench.failing("big").message
    emitted = bench.emit("f")
    assert emitted.errors[0][0] == "PayloadError"
    assert bench.call("ok") == [1, [2], b"x", None]
    fault = bench.next(Fault)
    assert (fault.diagnostic.kind, fault.diagnostic.line) == ("PayloadError", 2)


def test_an_emit_keeps_the_values_that_can_travel(bench):
    bench.live(
        """
        from fumehood.worker import on
        @on("e", priority=2)
        def a(): return 1
        @on("e", priority=1)
        def b(): return print
        @on("e")
        def c(): return 3
        """
    )
    emitted = bench.emit("e")
    assert emitted.values == [1, 3]
    assert [error[0] for error in emitted.errors] == ["PayloadError"]


def test_an_answer_too_large_for_the_ring_is_an_error(make_bench):
    bench = make_bench(ring_bytes=4096)
    bench.live("def on_f(n): return b'x' * n\n")
    limit = bench.port.limit
    assert bench.failing("f", limit).kind == "MessageTooLarge"
    emitted = bench.emit("f", limit)
    assert (emitted.values, emitted.errors[0][0]) == ([], "MessageTooLarge")
    assert len(bench.call("f", limit - 32)) == limit - 32


def test_arguments_that_decode_here_no_more_are_answered(bench):
    bench.live("def on_f(*a): return 1\n")
    for request, answer in ((Call(5, "f", []), "Failed"), (Emit(2**40 + 5, "f", []), "Emitted"), (Post("f", []), None)):
        frame = pack(request)
        assert frame.endswith(b"\x90")
        assert bench.port.push(frame[:-1] + b"\x91" * 2000 + b"\x01")
        if answer:
            reply = bench.reply()
            assert (type(reply).__name__, reply.id) == (answer, request.id)
    assert bench.call("f") == 1


def test_bytes_that_are_no_request_end_the_worker_as_our_fault(bench):
    bench.live(COUNTER)
    assert bench.port.push(b"\xc1nonsense")
    status, errors = bench.exit()
    assert status == Exit.WORKER_PROTOCOL
    assert "no request" in errors


def test_a_message_counts_as_begun_and_not_done_while_it_is_handled(bench):
    bench.live("import os, signal\ndef on_die(): os.kill(os.getpid(), signal.SIGKILL)\ndef on_ok(): return 1\n")
    bench.call("ok")
    done = bench.up.load64(TAIL)
    bench.post("die")
    assert bench.exit()[0] == -signal.SIGKILL
    assert (bench.up.load64(TAIL), bench.up.load64(STARTED)) == (done, bench.port.head)


def test_a_full_reply_ring_parks_the_worker_which_still_obeys(make_bench):
    bench = make_bench(ring_bytes=4096)
    bench.live("def on_f(n): return bytes(n)\n")
    numbers = [bench.ask(Call, "f", (1000,)) for _ in range(10)]
    bench.send(Checkpoint(1))  # the ring holds three answers: it is parked with the fourth, or will be
    assert bench.next(Checkpointed).serial == 1
    assert [bench.reply().id for _ in numbers] == numbers
    for _ in range(10):
        bench.ask(Call, "f", (1000,))
    assert bench.retire() == Exit.WORKER_RETIRED


def test_intents_stand_in_order_with_replies_and_are_refused_when_they_cannot_go(make_bench):
    bench = make_bench(ring_bytes=4096)
    bench.live(
        """
        from fumehood.worker import MessageTooLarge, PayloadError, QueueFull, game
        def on_say(text):
            game.say(text=text)
            game.send("name", name="x", self="y")
            return text
        def on_bad():
            errors = []
            for say in (
                lambda: game.say("positional"), lambda: game.send(""), lambda: game.send("x", a=[{"b": object()}]),
                lambda: game.send("x", a=b"x" * 5000), lambda: game._hidden(), lambda: game.send("\\ud800"),
            ):
                try:
                    say()
                except Exception as error:
                    errors.append(f"{type(error).__name__}: {error}")
            return errors
        def on_flood():
            sent = 0
            try:
                while True:
                    game.say(text="x" * 100)
                    sent += 1
            except QueueFull as error:
                return sent, str(error)
        """
    )
    assert bench.call("say", "hello") == "hello"
    assert bench.intents == [Intent("say", {"text": "hello"}), Intent("name", {"name": "x", "self": "y"})]
    positional, empty, unpackable, large, hidden, surrogate = bench.call("bad")
    assert positional.startswith("TypeError: game.say() takes its values by name")
    assert empty.startswith("TypeError")
    assert "PayloadError: game.x['a'][0]['b'] is an object" in unpackable
    assert large.startswith("MessageTooLarge")
    assert hidden.startswith("AttributeError")
    assert surrogate.startswith("PayloadError")
    bench.intents.clear()
    bench.ask(Call, "flood", ())
    sent, why = bench.reply().value
    assert sent == len(bench.intents) > 10
    assert "no room" in why


def test_speaking_to_the_game_works_only_while_live(bench):
    bench.begin(
        """
        from fumehood.worker import NotLive, game, log
        def attempt(where):
            try:
                game.note(where=where)
            except NotLive:
                log.info("%s: NotLive", where)
        STATE_VERSION = 2
        def selftest(): attempt("selftest")
        def migrate(old, version): attempt("migrate")
        def on_load(): attempt("on_load")
        def on_unload(): attempt("on_unload")
        attempt("import")
        """
    )
    state = handover.dump({}, 100)
    bench.offer(state, 1)
    bench.start(state, 1)
    bench.next(Live)
    bench.port.end()
    bench.next(Drained)
    assert [line.text for line in bench.of(LogLine)] == [
        "import: NotLive", "selftest: NotLive", "migrate: NotLive", "migrate: NotLive",
    ]  # fmt: skip
    said = [unpack_reply(bench.port.pop()) for _ in range(2)]
    assert said == [Intent("note", {"where": "on_load"}), Intent("note", {"where": "on_unload"})]


def test_what_a_failing_on_load_said_never_reaches_the_game(bench):
    bench.begin("from fumehood.worker import game\ndef on_load():\n    game.rain(x=1)\n    raise ValueError('no')\n")
    bench.offer()
    bench.start()
    diagnostic = bench.next(Unfit).diagnostic
    assert (diagnostic.stage, diagnostic.kind, diagnostic.line) == ("on_load", "ValueError", 4)
    assert bench.of(Entered)[-1].stage == "on_load"
    assert bench.idle()
    assert bench.retire() == Exit.WORKER_RETIRED


def test_a_failing_on_unload_does_not_keep_the_state_back(bench):
    bench.live(COUNTER + "\n    def on_unload():\n        raise ValueError('no')\n")
    bench.post("add", 3)
    bench.port.end()
    drained = bench.next(Drained)
    assert handover.load(bench.saved(drained)) == {"n": 3}
    assert [(fault.event, fault.diagnostic.kind) for fault in bench.of(Fault)] == [("on_unload", "ValueError")]


def test_memory_that_runs_out_in_a_handler_ends_the_worker(bench):
    bench.live(
        """
        import resource
        def on_eat():
            size = int(open("/proc/self/statm").read().split()[0]) * 4096
            resource.setrlimit(resource.RLIMIT_AS, (size + 2**25, size + 2**25))
            held = []
            while True:
                held.append([None] * 1000)
        """
    )
    bench.ask(Call, "eat", ())
    fault = bench.next(Fault)
    assert (fault.diagnostic.stage, fault.diagnostic.kind) == ("run", "MemoryError")
    assert bench.exit()[0] == Exit.WORKER_MEMORY
    assert bench.up.load64(TAIL) == 0


def test_a_state_that_cannot_be_carried_is_an_error_in_the_answer(make_bench):
    bench = make_bench(state_bytes=4096)
    bench.live(
        """
        from fumehood.worker import state
        def on_bad(): state["jobs"] = [1, 2, {"callback": lambda: 1}]
        def on_large(): state["jobs"] = bytes(10_000)
        def on_good(): state["jobs"] = 1
        """
    )
    bench.call("bad")
    bench.send(Checkpoint(1))
    answer = bench.next(Checkpointed)
    assert answer.state.size == 0
    assert answer.error.startswith("state['jobs'][2]['callback'] is a lambda")
    bench.call("large")
    bench.send(Checkpoint(3))
    assert "longer than 4096 bytes" in bench.next(Checkpointed).error
    bench.call("good")
    bench.port.end()
    assert bench.next(Drained).error == ""


def test_a_peer_that_closes_its_socket_ends_the_worker(bench):
    bench.begin(COUNTER)
    bench.sock.close()
    assert bench.exit()[0] == Exit.WORKER_PEER_LOST


@pytest.mark.parametrize("command", [b"", b"\xc1", b"x" * 100, b"\x91" * 5000, pack(Value(1, 2))])
def test_a_packet_that_is_no_command_ends_the_worker(bench, command):
    if command:
        bench.send(command)
        assert bench.exit()[0] == Exit.WORKER_PROTOCOL
    else:
        bench.sock.shutdown(socket.SHUT_RDWR)
        assert bench.exit()[0] == Exit.WORKER_PEER_LOST


@pytest.mark.parametrize("command", [Rehearse(), Start(1, Carried(), 0, 0)])
def test_a_command_out_of_turn_ends_the_worker(bench, command):
    bench.send(command)
    status, errors = bench.exit()
    assert status == Exit.WORKER_PROTOCOL
    assert "spare" in errors


def test_a_command_with_the_wrong_descriptors_ends_the_worker(bench):
    bench.begin(COUNTER)
    bench.send(Rehearse(Carried(100, 1)))
    status, errors = bench.exit()
    assert status == Exit.WORKER_PROTOCOL
    assert "0 descriptors instead of 1" in errors


def test_a_spare_and_an_unfit_worker_retire_when_told(make_bench):
    spare = make_bench()
    assert spare.retire() == Exit.WORKER_RETIRED
    unfit = make_bench()
    unfit.refused("1 +")
    unfit.send(Rehearse())  # crossed on the way
    assert unfit.retire() == Exit.WORKER_RETIRED


def test_no_descriptor_is_kept_that_is_not_needed(bench):
    bench.begin(
        """
        import os
        from contextlib import suppress
        def on_count():
            found = []
            for number in os.listdir("/proc/self/fd"):
                with suppress(FileNotFoundError):  # the one that lists
                    found.append(os.readlink(f"/proc/self/fd/{number}"))
            return sorted(name for name in found if name.startswith(("/memfd", "socket")))
        """
    )
    state = handover.dump({}, 100)
    bench.offer(state, 1)
    bench.start(state, 1, inherited=[pack(Post("x", []))])
    bench.next(Live)
    kept = [name.split(":[")[0] for name in bench.call("count")]
    assert kept == ["/memfd:fumehood:state (deleted)", "socket"]


def test_prints_and_logs_are_lines_and_a_flood_is_dropped_and_counted(make_bench):
    bench = make_bench(log_lines=50)
    bench.live(
        """
        import logging, sys
        from fumehood.worker import log
        def on_talk():
            print("a", 1)
            print("b\\nc", end="")
            print("d", file=sys.stderr)
            log.info("hello %s", "you")
            logging.getLogger("other").warning("std")
            try:
                1 / 0
            except ZeroDivisionError:
                log.exception("oh")
            log.debug("bad \\ud800 %s", "x" * 20_000)
        def on_flood():
            for i in range(10_000):
                print(i)
        """
    )
    bench.call("talk")
    bench.call("flood")
    bench.port.end()
    bench.next(Drained)
    lines = bench.of(LogLine)
    assert [(line.level, line.text) for line in lines[:5]] == [
        (20, "a 1"), (20, "b"), (30, "d"), (20, "hello you"), (30, "std"),
    ]  # fmt: skip
    assert lines[5].level == 40
    assert lines[5].text.startswith("oh\nTraceback")
    assert 'File "weather.py", line 11' in lines[5].text
    assert "bytes cut" in lines[6].text
    assert len(lines[6].text.encode()) <= 8 * 1024
    printed = len(lines) - 7
    assert printed < 9000
    assert sum(line.dropped for line in lines) + printed >= 10_000


def test_a_supervisor_that_does_not_read_never_blocks_the_game(bench):
    bench.live("def on_f():\n    print('x' * 8000)\n    raise ValueError('x' * 2000)\ndef on_ok(): return 1\n")
    for _ in range(300):
        assert bench.failing("f").kind == "ValueError"
    bench.send(Checkpoint(4))
    assert bench.call("ok") == 1
    assert bench.next(Checkpointed).serial == 4
    assert len(bench.of(LogLine)) < 100


def test_a_second_start_may_bring_an_older_state_after_one_that_does_not_load(bench):
    bench.begin(COUNTER)
    bench.offer()
    broken = handover.dump({}, 1000)[:8] + b"nonsense"
    bench.start(broken, 1)
    diagnostic = bench.next(Unfit).diagnostic
    assert (diagnostic.stage, diagnostic.kind) == ("restore", "StateError")
    bench.start(handover.dump({"n": 1}, 1000), 1)
    bench.next(Live)
    assert bench.call("total") == 1


def test_an_idle_worker_sleeps(bench):
    bench.live(COUNTER)
    bench.call("total")
    deadline = time.monotonic() + PATIENCE
    while bench.up.load32(PARKED) != 1:
        assert time.monotonic() < deadline
        bench.port.wait(1_000_000)
    bench.down.nudge()  # a bell without news
    assert bench.call("total") is None


def test_ready_says_how_long_the_rehearsal_took(bench):
    bench.begin(COUNTER)
    state = handover.dump({"n": list(range(10_000))}, 10**6)
    bench.send(Rehearse(Carried(len(state), 1)), state)
    assert bench.next(Ready).rehearse_us > 10


@pytest.mark.parametrize("more", [-1, 0, 1, 3 * MOST_CARRIED], ids=["within", "the longest", "too long", "long"])
def test_a_short_state_comes_within_the_report_and_a_long_one_in_the_memfd(bench, more):
    bench.live("from fumehood.worker import state\ndef on_put(n): state['x'] = bytes(n)\n")
    frame = len(handover.dump({"x": bytes(1000)}, MOST_CARRIED)) - 1000
    bench.call("put", MOST_CARRIED - frame + more)
    bench.port.end()
    drained = bench.next(Drained)
    assert drained.state.size == MOST_CARRIED + more
    assert drained.state.attached == (more > 0)
    assert len(handover.load(bench.saved(drained))["x"]) == MOST_CARRIED - frame + more
