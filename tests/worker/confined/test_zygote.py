"""The zygote's life: it serves all workers at once, and whatever of ours dies takes the rest with it."""

import asyncio
import contextlib
import ctypes
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fumehood.runner import nursery as nursery_module
from fumehood.runner import packages, zygote_process
from fumehood.shared.errors import MachineError
from fumehood.shared.policy import Confinement, Limits

SUPERVISOR = """
import asyncio, sys
from fumehood.runner.nursery import Nursery
from fumehood.shared.policy import Confinement, Limits

async def main():
    lost = asyncio.get_running_loop().create_future()
    nursery = Nursery(confinement=Confinement(sys.argv[1]), packages=[], limits=Limits(), on_lost=lost.set_result)
    await nursery.start()
    workers = [await nursery.take() for _ in range(3)]
    print(nursery.zygote_pid, *(worker.pid for worker in workers), nursery._scratch or "-", flush=True)
    print(await lost, flush=True)

asyncio.run(main())
"""


def alive(pid):
    """Whether a process runs; a zombie nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def gone(pidfds, deadline=20.0):
    """Wait until every one of these has ended."""
    for pidfd in pidfds:
        await zygote_process.gone(pidfd, deadline)


@pytest.fixture(params=["full", "reduced"])
def family(request):
    """A supervisor in a process of its own: (it, the zygote's pid, workers' pids, pidfds of those, scratch)."""
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, request.param], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent
    )
    with contextlib.ExitStack() as stack:
        stack.callback(process.stdout.close)
        stack.callback(process.wait)
        stack.callback(process.kill)
        zygote, *workers, scratch = process.stdout.readline().split()
        pids = [int(zygote), *map(int, workers)]
        pidfds = [os.pidfd_open(pid) for pid in pids]
        for pidfd in pidfds:
            stack.callback(os.close, pidfd)
        yield process, pids[0], pids[1:], pidfds, scratch


def test_when_the_supervisor_is_killed_nothing_is_left(family):
    process, zygote, workers, pidfds, scratch = family
    process.kill()
    process.wait()
    asyncio.run(gone(pidfds))
    assert not any(map(alive, [zygote, *workers]))
    assert not Path(scratch).exists()


def test_when_the_zygote_is_killed_nothing_is_left_and_the_supervisor_is_told(family):
    process, zygote, workers, pidfds, scratch = family
    os.kill(zygote, signal.SIGKILL)
    assert "SIGKILL" in process.stdout.readline()
    process.wait()
    asyncio.run(gone(pidfds))
    assert not any(map(alive, [zygote, *workers]))
    assert not Path(scratch).exists()


def test_a_worker_cannot_take_back_that_it_dies_with_the_zygote(cells):
    cell = cells.cell()
    cell.ask("import ctypes; libc = ctypes.CDLL(None, use_errno=True)")
    assert cell.ask("result = libc.prctl(1, 0), ctypes.get_errno()") == (-1, errno.EPERM)
    assert (
        cell.ask("""
        signal = ctypes.c_int()
        libc.prctl(2, ctypes.byref(signal))
        result = signal.value
    """)
        == signal.SIGKILL
    )


def test_the_zygote_itself_has_one_thread_no_secret_and_no_host(full_cells):
    pid = full_cells.nursery.zygote_pid
    status = Path(f"/proc/{pid}/status").read_text()
    assert "Threads:\t1\n" in status
    assert "NoNewPrivs:\t1\n" in status
    assert "CapBnd:\t0000000000000000\n" in status
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert all(entry.partition(b"=")[0].decode() in {"", *zygote_process.environment()} for entry in environment)
    assert Path(f"/proc/{pid}/ns/mnt").readlink() != Path("/proc/self/ns/mnt").readlink()


def test_the_root_inside_is_read_only_and_holds_nothing_executable(full_cells):
    mounts = [line.split() for line in Path(f"/proc/{full_cells.nursery.zygote_pid}/mounts").read_text().splitlines()]
    assert len(mounts) >= 5
    for _, _, kind, options, *_ in mounts:
        assert {"ro", "nosuid", "nodev", "noexec"} <= set(options.split(",")), (kind, options)
        assert kind not in ("proc", "sysfs", "devtmpfs", "devpts")


def test_what_root_keeps_to_itself_can_be_the_interpreter(full_cells, full_cell):
    # Root's interpreter may live in a 0700 home: the folders are taken before the uid is dropped.
    assert full_cell.ask("import os, json.tool; result = os.access(os.__file__, os.R_OK)") is True


def test_a_stopped_worker_does_not_keep_others_from_being_born(cells):
    # 10.
    stopped = cells.cell()
    os.kill(stopped.worker.pid, signal.SIGSTOP)
    try:
        for _ in range(3):
            assert cells.cell().ask("result = 6 * 7") == 42
    finally:
        stopped.worker.kill()
    assert cells.run(asyncio.wait_for(stopped.worker.exited, 20)) == -signal.SIGKILL


def test_a_missing_layer_is_named_with_its_remedy_and_nothing_runs():
    # The zygote is confined as it would be on a host that forbids user namespaces: inside one with none left to give.
    probe = subprocess.run(["unshare", "--user", "--map-root-user", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("unshare(1) does not work here")
    program = """
import asyncio, sys
from pathlib import Path
from fumehood.runner.nursery import Nursery
from fumehood.shared.policy import Confinement, Limits
Path("/proc/sys/user/max_user_namespaces").write_text("0")
nursery = Nursery(confinement=Confinement.FULL, packages=[], limits=Limits(), on_lost=print)
try:
    asyncio.run(nursery.start())
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", program],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("MachineError"), done.stdout + done.stderr
    assert "user namespace: " in done.stdout
    assert "sysctl -w user.max_user_namespaces" in done.stdout


def test_without_libseccomp_the_error_names_the_package_to_install(tmp_path, monkeypatch):
    (tmp_path / "pyseccomp.py").write_text("raise RuntimeError('Unable to find libseccomp')\n")
    found = packages.locate([])
    found = found._replace(
        packages={**found.packages, "pyseccomp": str(tmp_path / "pyseccomp.py")},
        search=[str(tmp_path), *found.search],
        companions=[path for path in found.companions if "pyseccomp" not in path],
    )
    tmp_path.chmod(0o755)
    monkeypatch.setattr(packages, "locate", lambda names: found)
    nursery = nursery_module.Nursery(confinement=Confinement.FULL, packages=[], limits=Limits(), on_lost=print)
    with pytest.raises(MachineError, match="apt-get install libseccomp2"):
        asyncio.run(nursery.start())


def test_a_package_that_starts_a_thread_at_import_is_refused(tmp_path, make_cells, monkeypatch):
    (tmp_path / "threaded.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    nursery = nursery_module.Nursery(
        confinement=Confinement.FULL, packages=["threaded"], limits=Limits(), on_lost=print
    )
    with pytest.raises(MachineError, match="1 thread"):
        asyncio.run(nursery.start())


def test_a_package_that_maps_shared_memory_at_import_is_refused(tmp_path, monkeypatch):
    """What one mod writes there all the others would read."""
    (tmp_path / "shareful.py").write_text("import mmap\nroom = mmap.mmap(-1, 8192)\n")
    monkeypatch.syspath_prepend(tmp_path)
    nursery = nursery_module.Nursery(
        confinement=Confinement.FULL, packages=["shareful"], limits=Limits(), on_lost=print
    )
    with pytest.raises(MachineError, match="8192 bytes of shared memory"):
        asyncio.run(nursery.start())


def test_a_package_that_does_not_import_is_named(tmp_path, monkeypatch):
    (tmp_path / "broken_one.py").write_text("import no_such_thing\n")
    monkeypatch.syspath_prepend(tmp_path)
    nursery = nursery_module.Nursery(
        confinement=Confinement.FULL, packages=["broken_one"], limits=Limits(), on_lost=print
    )
    with pytest.raises(MachineError, match=r"broken_one.*no_such_thing"):
        asyncio.run(nursery.start())


START = """
import asyncio, sys
from fumehood.runner.nursery import Nursery
from fumehood.shared.policy import Confinement, Limits
nursery = Nursery(confinement=Confinement(sys.argv[1]), packages=[], limits=Limits(), on_lost=print)
try:
    asyncio.run(nursery.start())
except Exception as error:
    print(type(error).__name__, error)
"""


def refused(mode, before="", **options):
    """What a start in that mode says, in one line, that is refused. `before`: code that is run before it."""
    done = subprocess.run(
        [sys.executable, "-c", before + START, mode], capture_output=True, text=True, timeout=60, check=False, **options
    )
    (line,) = (done.stdout + done.stderr).splitlines()
    return line


def drop_setuid():
    """In the child, before its exec: root as containers have it that drop all capabilities."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (6, 7):  # CAP_SETGID, CAP_SETUID
        if libc.prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
            raise OSError(ctypes.get_errno(), "prctl")


@pytest.mark.parametrize("mode", ["full", "reduced"])
def test_root_that_cannot_become_another_user_is_told_how_it_can(mode):
    if os.geteuid() != 0:
        pytest.skip("of root's alone")
    said = refused(mode, preexec_fn=drop_setuid)
    assert said == (
        "MachineError unprivileged user: Operation not permitted. "
        "Run fumehood as an ordinary user, or give the container CAP_SETUID, CAP_SETGID."
    )


def test_without_a_place_for_the_scratches_the_folder_is_named(tmp_path):
    gone = str(tmp_path / "gone")
    said = refused("reduced", f"import tempfile\ntempfile.tempdir = {gone!r}\n")
    assert said.startswith("MachineError scratch: uid ")
    assert f" cannot make a folder in {gone}: No such file or directory. Set TMPDIR to a folder " in said


def test_without_pidfds_the_call_is_named_and_no_zygote_is_left():
    """As under a container's profile that is older than the call."""
    refuse = """
import errno, pyseccomp
rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "pidfd_open")
rules.load()
"""
    said = refused("full", refuse)
    assert said.startswith("MachineError pidfd_open: Function not implemented; it needs Linux 5.3")
