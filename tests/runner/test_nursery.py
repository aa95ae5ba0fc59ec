"""The nursery against a real zygote and real workers, which run code sent to them in place of their loop."""

import ast
import asyncio
import contextlib
import functools
import os
import resource
import shutil
import signal
import socket
import struct
from pathlib import Path

import msgspec
import pytest
from fumehood.runner import scratch
from fumehood.runner.nursery import BAD_BIRTHS, Nursery
from fumehood.runner.worker_process import PACKETS_A_SECOND, STDERR_KEPT, UNKNOWN_STATUS, WorkerProcess
from fumehood.shared import packets
from fumehood.shared.errors import ConfigError, MachineError
from fumehood.shared.messages import SOCKET_LIMIT, Confined, LogLine, Retire, pack
from fumehood.shared.policy import Confinement, Limits

PROBING = str(Path(__file__).parent.parent / "worker" / "confined" / "probing.py")
PATIENCE = 20.0
MIB = 1 << 20


def in_a_loop(test):
    """Run an async test in an event loop of its own."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        asyncio.run(test(*args, **kwargs))

    return run


def descriptors():
    """What this process holds open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@contextlib.asynccontextmanager
async def nursery(**changes):
    """A started nursery; closed at the end."""
    settings = {
        "confinement": Confinement.FULL, "packages": [], "limits": Limits(), "on_lost": lambda reason: None,
        "entry": "probing:run", "extra": {"probing": PROBING},
    }  # fmt: skip
    made = Nursery(**(settings | changes))
    await made.start()
    try:
        yield made
    finally:
        await made.close()


def order(worker, code):
    """Have a worker run `code`, without waiting."""
    packets.send(worker._commands, code.encode())


async def ask(worker, code):
    """Have a worker run `code`; the value it leaves in `result`."""
    answer = asyncio.get_running_loop().create_future()
    worker.on_report = lambda report: answer.done() or answer.set_result(report.text)
    order(worker, code)
    return ast.literal_eval(await asyncio.wait_for(answer, PATIENCE))


async def end(worker):
    """A worker's exit status."""
    return await asyncio.wait_for(worker.exited, PATIENCE)


async def until(condition):
    """Wait for something that only the loop's turns can bring."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


RLIMITS = """
import resource as r
result = [r.prlimit(0, kind)[1] for kind in (r.RLIMIT_AS, r.RLIMIT_NOFILE, r.RLIMIT_FSIZE, r.RLIMIT_CPU)]
"""


@in_a_loop
async def test_a_worker_that_is_taken_is_confined_and_known():
    async with nursery() as house:
        worker = await house.take()
        assert {"fork", "process group", "scratch", "landlock", "capabilities", "seccomp"} <= set(worker.steps)
        assert Path(f"/proc/{worker.pid}/status").read_text().count("Seccomp:\t2")
        assert worker.alive
        assert await ask(worker, "result = 6 * 7") == 42
        statistics = house.statistics()
        assert statistics["fork_to_confined_us"]["count"] >= 1
        assert statistics["workers"] >= 1


@in_a_loop
async def test_many_takers_at_once_get_one_worker_each():
    async with nursery(spares=2) as house:
        workers = await asyncio.gather(*(house.take() for _ in range(8)))
        assert len({worker.pid for worker in workers}) == 8
        await until(lambda: house.statistics()["spares_ready"] == 2)


@in_a_loop
async def test_limits_below_the_spares_are_set_on_the_worker():
    async with nursery() as house:
        up = house._base
        wanted = Limits(memory=100 * MIB, files=20, file_size=MIB, cpu_total=60)
        worker = await house.take(wanted)
        assert await ask(worker, RLIMITS) == [up + 100 * MIB, 20, MIB, 60]
        assert worker.limits == wanted


@pytest.mark.parametrize(
    "change",
    [{"memory": 512 * MIB}, {"files": 100}, {"cpu_total": 7200}, {"scratch_bytes": MIB}, {"scratch_inodes": 9}],
)
@in_a_loop
async def test_limits_that_a_spare_cannot_have_take_a_fork_of_its_own(change):
    async with nursery() as house:
        await until(lambda: house.statistics()["spares_ready"] == 2)
        wanted = msgspec.structs.replace(Limits(), **change)
        worker = await house.take(wanted)
        assert house.statistics()["spares_ready"] == 2
        assert worker.limits == wanted
        assert (await ask(worker, RLIMITS))[:2] == [house._base + wanted.memory, wanted.files]
        if "scratch_bytes" in change:
            assert await ask(worker, "import os; s = os.statvfs('.'); result = s.f_blocks * s.f_frsize") == MIB


@pytest.mark.parametrize(("code", "status"), [("import os; os._exit(7)", 7), ("raise SystemExit", None)])
@in_a_loop
async def test_the_exit_status_is_the_zygotes_word(code, status):
    async with nursery() as house:
        worker = await house.take()
        seen = []
        worker.on_exit = seen.append
        order(worker, code)
        if status is None:
            worker.kill()
            status = -signal.SIGKILL
        assert await end(worker) == status
        assert seen == [status]
        assert not worker.alive
        worker.send(Retire())  # to the dead: nothing, and no error
        worker.kill()


@in_a_loop
async def test_what_a_worker_said_last_is_heard_before_its_end():
    async with nursery() as house:
        worker = await house.take()
        heard = []
        worker.on_report = heard.append
        worker.on_exit = heard.append
        order(worker, "import os\nfor i in range(5): os.write(3, pack(LogLine(20, str(i))))\nos._exit(3)")
        await end(worker)
        assert [getattr(item, "text", item) for item in heard] == ["0", "1", "2", "3", "4", 3]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os.write(3, b'\\xff garbage')", "no message"),
        (f"os.write(3, bytes({SOCKET_LIMIT} + 1))", "longer than"),
        ("os.write(3, b'\\x91' * 60000)", "no message"),
        ("from fumehood.shared.messages import Confined; os.write(3, pack(Confined([], b'')))", "twice"),
        ("os.write(3, b'')", "closed"),
        ("os.close(3); import time; time.sleep(60)", "closed"),
    ],
)
@in_a_loop
async def test_a_worker_that_talks_nonsense_is_killed_with_the_reason(code, reason):
    async with nursery() as house:
        worker = await house.take()
        worker.on_report = lambda report: None
        order(worker, f"import os; {code}\nwhile True: os.getpid()")
        assert await end(worker) == -signal.SIGKILL
        assert reason in worker.misbehaved


@in_a_loop
async def test_spares_that_die_while_they_have_nothing_to_do_are_not_replaced_for_ever():
    async with nursery(spares=1) as house:
        forks = set()
        while len(forks) < BAD_BIRTHS + 1:
            await until(lambda: house._ready or house._bad_births >= BAD_BIRTHS)
            if not house._ready:
                break
            spare = house._ready[0]
            forks.add(spare.serial)
            spare.kill()
            await spare.exited
        assert len(forks) == BAD_BIRTHS
        assert await ask(await house.take(), "result = 6 * 7") == 42, "whoever asks gets one all the same"
        await until(lambda: house._ready)


@in_a_loop
async def test_in_the_reduced_mode_a_fork_that_cannot_be_made_leaves_nothing(tmp_path):
    (tmp_path / "vanishing").mkdir()
    (tmp_path / "vanishing" / "__init__.py").write_text("")
    extra = {"probing": PROBING, "vanishing": str(tmp_path / "vanishing")}
    async with nursery(confinement=Confinement.REDUCED, spares=0, extra=extra) as house:
        worker = await house.take()
        worker.kill()
        await end(worker)
        shutil.rmtree(tmp_path / "vanishing")
        held = Path(f"/proc/{house._zygote._process.pid}/fd")
        before = len(list(held.iterdir()))
        for _ in range(5):
            with pytest.raises(MachineError, match="vanishing"):
                await house.take()
        await until(lambda: len(list(held.iterdir())) <= before)
        await until(lambda: not list(Path(house._scratch).iterdir()))


@in_a_loop
async def test_the_zygote_keeps_no_end_of_what_the_last_worker_was_given():
    async with nursery(spares=0) as house:
        worker = await house.take()
        order(worker, "import os, time; os.close(3); time.sleep(60)")
        await end(worker)
        assert "closed" in worker.misbehaved


@in_a_loop
async def test_a_spare_that_talks_before_it_is_anybodys_is_killed():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reading, writing = os.pipe()
    worker = WorkerProcess(1, ours, reading)
    theirs.send(pack(LogLine(20, "too early")))
    await until(lambda: worker.misbehaved)
    assert "before it was confined" in worker.misbehaved
    worker.close()
    theirs.close()
    os.close(writing)


@in_a_loop
async def test_smuggled_descriptors_are_dropped():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reading, writing = os.pipe()
    worker = WorkerProcess(1, ours, reading)
    before = descriptors()
    packets.send(theirs, pack(Confined(["a"], struct.pack("qq", 1000, 2000))), (0, 1, 2, writing))
    await until(lambda: worker.steps)
    assert descriptors() == before
    assert not worker.confined.done()  # its pidfd is not here yet: the zygote may speak after the worker
    assert worker.steps == {"a": 1.0}
    worker.close()
    theirs.close()
    os.close(writing)


@in_a_loop
async def test_a_flooding_worker_is_throttled_and_others_are_served():
    async with nursery() as house:
        flooder, other = await house.take(), await house.take()
        heard = 0

        def count(report):
            nonlocal heard
            heard += 1

        flooder.on_report = count
        order(flooder, "import os\nline = pack(LogLine(20, 'x' * 100))\nwhile True: os.write(3, line)")
        await until(lambda: heard > PACKETS_A_SECOND)  # the burst is spent: from here on it is not read all the time
        before = heard
        for number in range(20):
            assert await ask(other, f"result = {number}") == number
        assert heard - before < 20 * PACKETS_A_SECOND
        assert flooder.alive
        assert not flooder.misbehaved


@in_a_loop
async def test_stderr_is_bounded_and_never_blocks_the_worker():
    async with nursery() as house:
        worker = await house.take()
        pieces = []
        worker.on_stderr = pieces.append
        flood = """if True:
            import os
            for _ in range(3000):
                try:
                    os.write(2, b'y' * 1000)
                except BlockingIOError:
                    result = 'through'
        """
        async with asyncio.timeout(PATIENCE):
            while len(worker.stderr) < STDERR_KEPT:
                assert await ask(worker, flood) == "through"
        assert await ask(worker, flood) == "through"
        assert len(worker.stderr) == STDERR_KEPT
        assert set("".join(pieces)) == {"y"}


@in_a_loop
async def test_a_hanging_worker_says_where_it_hangs():
    # 12.
    async with nursery() as house:
        worker = await house.take()
        stderr = []
        worker.on_stderr = stderr.append
        order(worker, "import os\ndef the_endless_handler():\n    os.write(1, b'in')\n    while True: pass")
        order(worker, "the_endless_handler()")
        await until(lambda: "in" in "".join(stderr))
        assert "the_endless_handler" in await worker.stack(PATIENCE)
        assert worker.alive
        assert await worker.stack(PATIENCE) != ""


@in_a_loop
async def test_a_worker_that_blocks_the_signal_answers_nothing_by_the_deadline():
    async with nursery() as house:
        worker = await house.take()
        await ask(worker, "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)); result = 1")
        assert await worker.stack(0.2) == ""
        worker.kill()
        assert await end(worker) == -signal.SIGKILL
        assert await worker.stack(0.2) == ""


@in_a_loop
async def test_a_worker_that_cannot_be_confined_is_an_error_with_its_words():
    async with nursery(limits=Limits(scratch_inodes=-5)) as house:
        with pytest.raises(MachineError, match=r"could not be confined[\s\S]*mount"):
            await house.take()
        with pytest.raises(MachineError, match="could not be confined"):
            await house.take(Limits(scratch_inodes=-9))


@in_a_loop
async def test_close_leaves_no_process_no_descriptor_and_no_task():
    before = descriptors()
    async with nursery() as house:
        workers = [await house.take() for _ in range(3)]
        coming = asyncio.ensure_future(house.take(Limits(files=65)))
        pids = [house.zygote_pid, *(worker.pid for worker in workers)]
    with pytest.raises((MachineError, asyncio.CancelledError)):
        (await coming).exited.result() != UNKNOWN_STATUS or (_ for _ in ()).throw(MachineError("it was killed"))
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists() and "Z" not in _state(pid)] == []
    assert descriptors() == before
    await until(lambda: len(asyncio.all_tasks()) == 1)
    await house.close()
    with pytest.raises(MachineError):
        await house.take()


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


@pytest.mark.parametrize("mode", list(Confinement))
@in_a_loop
async def test_when_the_zygote_dies_its_workers_do_and_the_owner_is_told_once(mode):
    lost = []
    async with nursery(confinement=mode, on_lost=lost.append) as house:
        workers = [await house.take() for _ in range(2)]
        folder = house._scratch
        os.kill(house.zygote_pid, signal.SIGKILL)
        for worker in workers:
            await end(worker)
        await until(lambda: lost)
        with pytest.raises(MachineError):
            await house.take()
    assert len(lost) == 1
    assert "SIGKILL" in lost[0]
    assert not folder or not Path(folder).exists()


@pytest.mark.parametrize(
    ("packages", "error"),
    [(["no_such_package_at_all"], "pip install"), (["json"], "always there"), (["fumehood"], "always there")],
)
@in_a_loop
async def test_a_package_that_cannot_be_had_is_a_clear_error(packages, error):
    house = Nursery(confinement=Confinement.FULL, packages=packages, limits=Limits(), on_lost=print)
    with pytest.raises(ConfigError, match=error):
        await house.start()


@in_a_loop
async def test_an_interpreter_that_does_not_start_is_a_clear_error():
    before = descriptors()
    house = Nursery(confinement=Confinement.FULL, packages=[], limits=Limits(), on_lost=print, python="/no/such/python")
    with pytest.raises(MachineError, match="/no/such/python"):
        await house.start()
    await house.close()
    assert descriptors() == before


@in_a_loop
async def test_in_the_reduced_mode_a_scratch_over_its_limits_is_death():
    limits = Limits(scratch_bytes=64 * 1024)
    async with nursery(confinement=Confinement.REDUCED, limits=limits) as house:
        worker = await house.take()
        order(worker, "import os, time\nopen('big', 'wb').write(os.urandom(1 << 20))\ntime.sleep(60)")
        assert await end(worker) == -signal.SIGKILL
        assert "scratch" in worker.misbehaved
        assert worker.crossed == "scratch_bytes"


@in_a_loop
async def test_in_the_reduced_mode_who_makes_and_removes_folders_all_the_time_is_held_for_a_moment(monkeypatch):
    """While its scratch is looked at, which would miss what is renamed; and goes on."""
    monkeypatch.setattr(scratch, "PERIOD", 0.01)
    held = []
    monkeypatch.setattr(WorkerProcess, "held", lambda self, hold=WorkerProcess.held: held.append(self) or hold(self))
    async with nursery(confinement=Confinement.REDUCED) as house:
        worker = await house.take()
        loop = """if True:
            import os, time
            end = time.monotonic() + 60.0
            while not os.path.exists("enough") and time.monotonic() < end:
                for name in "abcdefgh":
                    os.mkdir(name)
                for name in "hgfedcba":
                    os.rmdir(name)
        """
        over = asyncio.create_task(ask(worker, loop))
        await until(lambda: worker in held)
        Path(f"{house._scratch}/{worker.serial}/enough").mkdir()
        await over
        assert await ask(worker, "result = 1") == 1
        assert not worker.misbehaved


DEEP = """
import os
for _ in range(1010):
    os.mkdir("d")
    os.chdir("d")
os._exit(3)
"""
LOCKED = """
import os
for mode in (0, 0o100, 0o300, 0o500):
    os.mkdir(f"{mode:o}", 0o700)
    open(f"{mode:o}/file", "wb").write(b"x")
    os.mkdir(f"{mode:o}/inner", mode)
    os.mkdir(f"born {mode:o}", mode)
open("born 300/file", "wb").write(b"x")
os._exit(3)
"""


@pytest.mark.parametrize("code", [DEEP, LOCKED], ids=["deep", "locked"])
@in_a_loop
async def test_in_the_reduced_mode_no_tree_outlives_its_worker_or_ends_the_zygote(code):
    lost = []
    async with nursery(confinement=Confinement.REDUCED, on_lost=lost.append) as house:
        worker = await house.take()
        order(worker, code)
        assert await end(worker) == 3
        left = Path(house._scratch, str(worker.serial))
        await until(lambda: not left.exists())
        assert await ask(await house.take(), "result = 1") == 1
    assert lost == []
    assert not Path(house._scratch).exists()


@pytest.mark.parametrize("code", [DEEP, LOCKED], ids=["deep", "locked"])
@in_a_loop
async def test_when_the_zygote_dies_the_owner_is_told_before_anything_is_cleared_away(code):
    seen = []
    async with nursery(
        confinement=Confinement.REDUCED, on_lost=lambda reason: seen.append(Path(house._scratch).exists())
    ) as house:
        worker = await house.take()
        await ask(worker, code.replace("os._exit(3)", "result = 1"))
        os.kill(house.zygote_pid, signal.SIGKILL)
        await until(lambda: seen)
        assert seen == [True]
    assert not Path(house._scratch).exists()


@in_a_loop
async def test_in_the_reduced_mode_deleted_files_do_not_pile_up_in_mappings():
    # One page of a mapping keeps its file, which neither the folder nor the descriptors show any more.
    async with nursery(confinement=Confinement.REDUCED, limits=Limits(files=20)) as house:
        worker = await house.take()
        pile = """if True:
            import ctypes, mmap, os, time
            libc = ctypes.CDLL(None, use_errno=True)
            libc.mmap.restype = ctypes.c_void_p
            for number in range(%d):
                with open("f", "w+b") as file:
                    file.write(bytes(8192))
                    file.flush()
                    assert libc.mmap(None, ctypes.c_size_t(4096), 1, 2, file.fileno(), ctypes.c_long(0)) != 2**64 - 1
                os.unlink("f")
            result = number
        """
        folder = f"{house._scratch}/{worker.serial}"
        assert await ask(worker, pile % 20) == 19
        assert scratch.kept(worker.pid, folder, worker.limits) is None
        order(worker, pile % 1 + "    time.sleep(60)")
        assert await end(worker) == -signal.SIGKILL
        assert "deleted files" in worker.misbehaved
        assert scratch.kept(worker.pid, folder, worker.limits) is None


@in_a_loop
@pytest.mark.parametrize("wanted", [Limits(), Limits(memory=1 << 30)])
@pytest.mark.parametrize("left", range(4))
async def test_a_worker_for_which_no_descriptor_is_left_is_a_clear_error(left, wanted):
    """Both for a spare that has to be made and for a fork of its own. It takes four; with them there again it comes."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with nursery(spares=0) as house:
        before = descriptors()
        free = os.open("/", os.O_RDONLY)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + left, limits[1]))
        try:
            with pytest.raises(MachineError, match="no descriptors for a worker: Too many open files"):
                await house.take(wanted)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert descriptors() == before
        assert await ask(await house.take(wanted), "result = 1") == 1


@in_a_loop
async def test_spares_that_die_are_replaced():
    async with nursery(spares=2) as house:
        await until(lambda: house.statistics()["spares_ready"] == 2)
        victims = list(house._ready)
        for victim in victims:
            os.kill(victim.pid, signal.SIGKILL)
        await until(lambda: house.statistics()["spares_ready"] == 2 and not set(victims) & set(house._ready))
        assert await ask(await house.take(), "result = 1") == 1
