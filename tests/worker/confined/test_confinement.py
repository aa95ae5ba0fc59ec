"""What a confined worker can reach, tried from inside a real one. Numbers in comments: ARCHITECTURE.md's traps."""

import fcntl
import os
import platform
import shutil
import signal
import struct
from pathlib import Path

import msgspec
import pytest
from fumehood.shared import segment
from fumehood.shared.policy import Confinement

MIB = 1 << 20
on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="system call numbers and foreign calls of x86-64")


def status_of(worker):
    """The worker's /proc/PID/status as the host sees it."""
    lines = Path(f"/proc/{worker.pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_writes_and_reads_in_its_scratch_with_folders_links_and_renames(cell):
    # The tmpfs is mounted after the Landlock ruleset was made: the rule stands on its parent.
    assert cell.ask("""
        import os
        os.makedirs("a/b")
        open("a/b/file", "w").write("hello")
        os.rename("a/b/file", "a/other")
        with open("a/other", "r+") as file:
            file.truncate(4)
        result = open(os.path.join(scratch, "a/other")).read(), os.getcwd() == scratch, sorted(os.listdir("."))
    """) == ("hell", True, ["a"])


def test_no_file_of_the_host_opens(cell):
    for path in ("/etc/passwd", "/proc/self/environ", "/dev/urandom", "/", "/etc", "/tmp", "/root", "/home"):
        assert cell.errno(f"open({path!r}, 'rb', opener=lambda p, f: __import__('os').open(p, f))") in (
            "EACCES",
            "ENOENT",
        )
        assert cell.errno(f"import os; os.listdir({path!r})") in ("EACCES", "ENOENT", "ENOTDIR")


def test_in_the_full_mode_no_path_of_the_host_even_exists(full_cell):
    assert (
        full_cell.ask("""
        import os
        paths = "/etc /proc /sys /dev /bin /usr/bin /var /run /lib64 /boot /etc/hostname".split()
        result = [path for path in paths if os.path.lexists(path)]
    """)
        == []
    )


def test_what_it_can_read_it_cannot_change(cell):
    for path in ("json/__init__.py", "new.py"):
        code = f"import os, sys; path = os.path.join(os.path.dirname(os.__file__), {path!r})"
        assert cell.errno(f"{code}; open(path, 'w')") in ("EACCES", "EROFS")
    assert cell.errno("import os; os.mkdir(os.path.dirname(os.__file__) + '/x')") in ("EACCES", "EROFS")
    assert cell.errno("import os; os.chmod(os.__file__, 0o777)") in ("EPERM", "EROFS")
    assert cell.errno("import os; os.utime(os.__file__)") in ("EPERM", "EROFS")
    assert cell.errno("import os; os.unlink(os.__file__)") in ("EACCES", "EROFS")


def test_in_the_full_mode_modes_and_times_are_set_by_path(full_cell):
    assert full_cell.ask("""
        import os, shutil
        with open("a", "w") as file:
            file.write("a")
        os.chmod("a", 0o640)
        os.utime("a", ns=(5, 1_700_000_000_000_000_123))
        shutil.copy2("a", "b")
        found = os.stat("b")
        result = found.st_mode & 0o777, found.st_mtime_ns
    """) == (0o640, 1_700_000_000_000_000_123)


def test_what_only_a_descriptor_leads_to_keeps_its_mode_and_times(cell):
    cell.ask("import os; open('own', 'w').close(); own = os.open('own', os.O_RDWR)")
    assert cell.errno("os.fchmod(own, 0o600)") == "EPERM"
    assert cell.errno("os.utime(own)") == "EPERM"


def test_an_open_that_does_not_write_empties_nothing(cell):
    # Landlock before its version 3 judges it by the reading alone. 3: neither reading nor writing, for an ioctl.
    cell.ask("import os; open('full', 'w').write('something')")
    for mode in ("os.O_RDONLY", "3"):
        assert cell.errno(f"os.open('full', {mode} | os.O_TRUNC)") == "EPERM"
    assert cell.ask("result = open('full').read(), open('full', 'w').close(), open('full').read()") == (
        "something", None, "",
    )  # fmt: skip


@pytest.mark.parametrize("version", [1, 2, 3])
def test_where_landlock_is_old_no_file_of_the_host_changes(make_cells, tmp_path, version):
    # Versions 1 and 2 do not judge truncation, and none judges modes and times: seccomp has to.
    modules = {
        name: shutil.copy(Path(__file__).parent / f"{name}.py", tmp_path) for name in ("probing", "old_landlock")
    }
    victims = [tmp_path / "anybody's", tmp_path / "probing.py"]  # the second may be read
    victims[0].write_text("precious")
    for path in (tmp_path, *victims):
        path.chmod(0o777)
    before = [(v.read_bytes(), v.stat().st_mode, v.stat().st_mtime_ns) for v in victims]
    cell = make_cells(Confinement.REDUCED, entry=f"old_landlock:run_{version}", modules=modules).cell()
    assert cell.ask("from fumehood.worker.confine import landlock; result = landlock.abi()") == version
    for path in map(str, victims):
        for attempt in (
            "os.truncate(path, 0)",
            "os.open(path, os.O_RDONLY | os.O_TRUNC)",
            "os.open(path, 3 | os.O_TRUNC)",
            "os.open(path, os.O_WRONLY | os.O_TRUNC)",
            "os.open(path, os.O_RDWR | os.O_TRUNC)",
            "open(path, 'a')",
            "os.chmod(path, 0o600)",
            "os.chown(path, -1, -1)",
            "os.utime(path)",
            "os.setxattr(path, 'user.x', b'')",
            "os.rename(path, path + '2')",
            "os.link(path, 'there')",
            "os.rename('here', path)",
            "os.symlink('here', path + '2')",
            "os.mkdir(path + '2')",
            "os.unlink(path)",
            "os.truncate(os.open(path, os.O_PATH), 0)",
            "os.chmod(f'/proc/self/fd/{os.open(path, os.O_PATH)}', 0)",
            "os.truncate(f'/proc/self/fd/{os.open(path, os.O_PATH)}', 0)",
        ):
            cell.ask(f"import os; path = {path!r}; open('here', 'w').close()")
            assert cell.errno(attempt) in ("EPERM", "EACCES", "EXDEV", "ENOTSUP", "EBADF"), attempt
    assert [(v.read_bytes(), v.stat().st_mode, v.stat().st_mtime_ns) for v in victims] == before


def test_of_packages_only_the_named_are_there(cell):
    assert (
        cell.ask("""
        import importlib.util, msgspec, cloudpickle
        others = "watchdog pytest rich psutil pip numpy".split()
        result = [name for name in others if importlib.util.find_spec(name)]
    """)
        == []
    )
    for module in ("fumehood.runner", "fumehood.runner.launch"):
        assert (
            cell.ask(f"""
            try:
                import {module}
            except ImportError:
                result = "refused"
        """)
            == "refused"
        )


def test_workers_do_not_see_each_others_scratch(cells, cell):
    other = cells.cell()
    cell.ask("open('secret', 'w').write('mine')")
    place = cell.ask("result = scratch")
    assert other.errno(f"open({place + '/secret'!r})") in ("ENOENT", "EACCES")
    other.worker.kill()


def test_scratch_bytes_and_inodes_are_bounded(full_cells):
    limits = full_cells.nursery._limits
    cell = full_cells.cell()
    assert cell.errno("for i in range(100): open(f'big{i}', 'wb').write(bytes(1 << 20))") == "ENOSPC"
    used = cell.ask("import os; s = os.statvfs('.'); result = s.f_blocks * s.f_frsize")
    assert used == limits.scratch_bytes
    cell.ask("import os; [os.unlink(name) for name in os.listdir('.')]")
    assert cell.errno("for i in range(2000): open(f'small{i}', 'wb').close()") == "ENOSPC"
    assert cell.ask("import os; result = len(os.listdir('.'))") == limits.scratch_inodes
    cell.worker.kill()


# ── processes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_starts_no_process_and_no_thread(cell):
    assert cell.errno("import os; os.fork()") == "EPERM"
    assert cell.errno("import os; os.posix_spawn('/bin/true', ['true'], {})") in ("EPERM", "ENOSYS")
    assert cell.errno("import os; os.execv('/bin/true', ['true'])") == "EPERM"
    assert (
        cell.ask("""
        import threading
        try:
            threading.Thread(target=print).start()
        except RuntimeError as error:
            result = str(error)
    """)
        == "can't start new thread"
    )


def test_it_signals_and_traces_nobody(cell):
    for code in ("os.kill(os.getppid() or 1, 0)", "os.kill(-1, 9)", "os.kill(1, 9)", "os.killpg(0, 9)"):
        assert cell.errno(f"import os; {code}") == "EPERM"
    assert cell.errno("import os; os.pidfd_open(1)") == "EPERM"


def test_in_the_full_mode_it_is_alone_and_the_host_has_no_name(full_cell):
    assert full_cell.ask("import os; result = os.getpid(), os.getppid(), os.getuid(), os.uname().nodename") == (
        1, 0, 1000, "fumehood",
    )  # fmt: skip
    assert full_cell.ask("""
        import ctypes
        names = ctypes.create_string_buffer(6 * 65)
        ctypes.CDLL(None).uname(names)
        result = names.raw[5 * 65 :].rstrip(bytes(1)), b"(none)" in names.raw
    """) == (b"fumehood", False)


def test_each_namespace_is_another_than_the_hosts(full_cells, full_cell):
    other = full_cells.cell()
    for kind in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
        link = f"ns/{kind}"
        mine = Path(f"/proc/{full_cell.worker.pid}", link).readlink()
        assert mine != Path("/proc/self", link).readlink(), kind
        if kind in ("mnt", "pid"):
            assert mine != Path(f"/proc/{other.worker.pid}", link).readlink(), kind
    other.worker.kill()


def test_no_capability_no_way_to_one_and_the_filter_is_on(cell):
    status = status_of(cell.worker)
    kinds = ["Inh", "Prm", "Eff", "Amb"]
    # An ordinary user's bounding set stays what it was in the reduced mode; with no_new_privs it bounds nothing.
    assert {int(status[f"Cap{kind}"], 16) for kind in kinds} == {0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert status["Threads"] == "1"
    assert 0 not in [int(uid) for uid in status["Uid"].split()[:3]]
    assert Path(f"/proc/{cell.worker.pid}/oom_score_adj").read_text().strip() == "1000"


def test_its_group_list_is_empty_when_root_started_it(cell):
    if Path("/proc/self").stat().st_uid == 0:
        assert status_of(cell.worker)["Groups"].strip() == ""


def test_it_yields_to_the_game(cell):
    assert cell.ask("import os; result = os.sched_getscheduler(0) == os.SCHED_BATCH") is True
    assert cell.errno("import os; os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))") == "EPERM"


# ── memory ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_memory_becomes_executable(cell):
    # 6. PROT_EXEC is 4.
    cell.ask("import ctypes, mmap; own = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS")
    assert cell.errno("mmap.mmap(-1, 4096, own, prot=7)") == "EPERM"
    assert cell.errno("mmap.mmap(-1, 4096, own, prot=4)") == "EPERM"
    cell.ask("m = mmap.mmap(-1, 4096, own); a = ctypes.addressof(ctypes.c_char.from_buffer(m))")
    assert cell.ask("""
        libc = ctypes.CDLL(None, use_errno=True)
        code = libc.mprotect(ctypes.c_void_p(a), ctypes.c_size_t(4096), 5)
        result = code, ctypes.get_errno()
    """) == (-1, 1)


def test_memory_without_a_file_is_private(cell):
    # Pages of a shared mapping are neither address space nor resident memory of its own once most of it is unmapped.
    cell.ask("import mmap; SHARED, PRIVATE, ANONYMOUS, HUGETLB = 1, 2, 0x20, 0x40000")
    assert cell.errno("mmap.mmap(-1, 1 << 20)") == "EPERM"  # Python's default is a shared one
    for flags in ("SHARED | ANONYMOUS", "3 | ANONYMOUS", "0xB | ANONYMOUS", "8 | ANONYMOUS", "ANONYMOUS"):
        assert cell.errno(f"mmap.mmap(-1, 1 << 20, {flags})") == "EPERM", flags
        assert cell.errno(f"mmap.mmap(-1, 1 << 20, ({flags}) | HUGETLB)") == "EPERM", flags
    assert cell.errno("mmap.mmap(-1, 2 << 20, PRIVATE | ANONYMOUS | HUGETLB)") == "EPERM"
    assert cell.errno("mmap.mmap(-1, 1 << 20, PRIVATE | ANONYMOUS)") == ""
    assert cell.ask("""
        with open("f", "w+b") as file:
            file.truncate(8192)
            shared, private = mmap.mmap(file.fileno(), 8192), mmap.mmap(file.fileno(), 8192, PRIVATE)
        shared[0], private[1] = 7, 8
        result = private[0], shared[1], open("f", "rb").read(2)
    """) == (7, 0, b"\x07\0")


@on_x86
def test_no_memory_becomes_executable_by_rarer_ways_either(cell):
    assert cell.syscall(329, 0, 4096, 4, 0) == "EPERM"  # pkey_mprotect
    assert cell.syscall(216, 0, 4096, 0, 0, 0) == "EPERM"  # remap_file_pages
    assert cell.syscall(135, 0x0400000) == "EPERM"  # personality(READ_IMPLIES_EXEC)
    assert cell.syscall(10, 0, 4096, 4 | 1 << 32) == "EPERM"  # mprotect, with an upper half to look away by


def test_a_read_only_description_stays_read_only(cell):
    # 5. A read-only mapping of a writable description could be made writable again with mprotect; and in the reduced
    # mode, where /proc is there, Landlock lets a memfd be opened anew: the file's own mode is what stops that.
    fd = segment.create("test", 8192)
    segment.allocate(fd, 8192)
    reader = segment.read_only(fd)
    try:
        assert cell.ask(
            """
            import ctypes, errno, mmap, os
            libc = ctypes.CDLL(None, use_errno=True)
            fd = fds[0]

            def outcome(action):
                try:
                    return action() and ""
                except OSError as error:
                    return errno.errorcode[error.errno]

            held = mmap.mmap(fd, 8192, prot=mmap.PROT_READ)
            libc.mmap.restype = ctypes.c_void_p
            place = libc.mmap(None, ctypes.c_size_t(8192), 1, 1, fd, ctypes.c_long(0))
            libc.mprotect(ctypes.c_void_p(place), ctypes.c_size_t(8192), 3)
            again = errno.errorcode[ctypes.get_errno()]
            result = (
                outcome(lambda: mmap.mmap(fd, 8192, prot=mmap.PROT_READ | mmap.PROT_WRITE)),
                again,
                outcome(lambda: os.pwrite(fd, b"x", 0)),
                outcome(lambda: os.posix_fallocate(fd, 0, 10)),
                outcome(lambda: os.ftruncate(fd, 0)),
                outcome(lambda: os.open(f"/proc/self/fd/{fd}", os.O_RDWR)),
            )
            """,
            [reader],
        ) in [("EACCES", "EACCES", "EBADF", fallocate, "EINVAL", opened)
              for fallocate in ("EPERM", "EBADF") for opened in ("ENOENT", "EACCES")]  # fmt: skip
        assert segment.read_all(fd, 8192) == bytes(8192)
    finally:
        for each in (fd, reader):
            os.close(each)


@on_x86
def test_a_shared_segment_cannot_be_punched(cell):
    # 5. madvise: 9 is MADV_REMOVE; fallocate with PUNCH_HOLE; of madvise only 4, 8 and 14 pass.
    for advice in (9, 3, 12, 15, 21, 23, 100, 101, 9 | 1 << 35):
        assert cell.syscall(28, 0, 0, advice) == "EPERM", advice
    for advice in (4, 8, 14):
        assert cell.syscall(28, 0, 0, advice) == "", advice
    assert cell.syscall(285, 1, 3, 0, 4096) == "EPERM"  # fallocate


def test_memory_files_descriptors_and_file_size_are_bounded(cells, cell):
    limits = cells.nursery._limits
    assert (
        cell.ask(f"""
        try:
            bytearray({limits.memory + 64 * MIB})
        except MemoryError:
            result = "refused"
    """)
        == "refused"
    )
    assert cell.ask(f"bytearray({limits.memory // 2}); result = 'given'") == "given"
    assert cell.errno("import os; held = [os.dup(0) for _ in range(10000)]") == "EMFILE"
    cell.ask("import os; os.closerange(4, 10000)")
    size = f"import os; fd = os.open('f', os.O_RDWR | os.O_CREAT); os.pwrite(fd, b'x', {limits.file_size})"
    assert cell.errno(size) == "EFBIG"
    assert cell.ask("""
        import resource as r
        kinds = (r.RLIMIT_CORE, r.RLIMIT_NPROC, r.RLIMIT_MEMLOCK)
        result = [r.prlimit(0, kind) for kind in kinds]
    """) == [(1, 1), (0, 0), (0, 0)]
    refused = cell.ask("""
        try:
            r.setrlimit(r.RLIMIT_CORE, (0, 0))
        except ValueError as error:
            result = str(error)
    """)
    assert refused == "not allowed to raise maximum limit"  # Python's words for any EPERM


# ── system calls ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_socket_no_shared_memory_no_locks_on_what_is_shared(cell):
    # 8.
    for code in (
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "import socket; socket.socket(socket.AF_UNIX)",
        "import socket; socket.socket(40, socket.SOCK_STREAM)",  # AF_VSOCK leaves a network namespace
        "import socket; socket.socketpair()",
        "import os; os.memfd_create('x')",
        "import os; os.pipe()",
        "import os; os.eventfd(0)",
        "import fcntl; fcntl.flock(3, fcntl.LOCK_EX)",
        "import fcntl, os; fcntl.fcntl(3, fcntl.F_SETFL, os.O_ASYNC)",
        "import fcntl; fcntl.fcntl(3, fcntl.F_SETOWN, 1)",
        "import fcntl; fcntl.fcntl(3, fcntl.F_SETLEASE, 0)",
        "import fcntl; fcntl.fcntl(3, fcntl.F_SETSIG, 9)",
        "import fcntl; fcntl.fcntl(3, 1033, 1)",  # F_ADD_SEALS
        "channel.sendmsg([b'x'])",
        "channel.send(b'x')",
    ):
        assert cell.errno(code) == "EPERM", code


def test_a_lock_is_pretended_and_locks_nothing(cells, cell):
    # A lock on a file that others can open too would be heard by them: other mods, and the host.
    cell.ask("""
        import fcntl, json, os, struct
        flock = struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 5000, 1, 0)
        library = open(json.__file__, "rb")
        for command in (fcntl.F_SETLK, fcntl.F_SETLKW, 37, 38):  # 37, 38: F_OFD_SETLK, F_OFD_SETLKW
            fcntl.fcntl(library, command, flock)
        fcntl.lockf(open("own", "w"), fcntl.LOCK_EX)
    """)
    with Path(cell.ask("result = json.__file__")).open("rb") as library:
        asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 5000, 1, 0)
        assert struct.unpack("hhqqi4x", fcntl.fcntl(library, fcntl.F_GETLK, asked))[0] == fcntl.F_UNLCK
    other = cells.cell()
    assert other.ask("""
        import fcntl, json, struct
        asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 5000, 1, 0)
        answer = fcntl.fcntl(open(json.__file__, "rb"), fcntl.F_GETLK, asked)
        result = struct.unpack("hhqqi4x", answer)[0] == fcntl.F_UNLCK
    """)
    other.worker.kill()


def test_reading_goes_through_the_cache_and_asks_nothing_of_it(cell):
    assert cell.errno("import os; os.open(os.__file__, os.O_RDONLY | os.O_DIRECT)") == "EPERM"
    assert cell.errno("import os; os.open('f', os.O_RDWR | os.O_CREAT | os.O_DIRECT)") == "EPERM"
    assert cell.ask("fd = os.open(os.__file__, 0); result = os.preadv(fd, [bytearray(3)], 0, 0)") == 3
    for flag in ("os.RWF_NOWAIT", "0x80"):  # 0x80: RWF_DONTCACHE
        assert cell.errno(f"os.preadv(fd, [bytearray(3)], 0, {flag})") == "EPERM"


def test_a_rename_makes_no_device(cell):
    cell.ask(
        "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True); open('a', 'w').close(); open('b', 'w').close()"
    )
    rename = "libc.renameat2(-100, b'a', -100, b'b', {flag}), ctypes.get_errno()"
    for flag, outcome in ((4, (-1, 1)), (1, (-1, 17)), (2, (0, 17)), (0, (0, 17))):  # 1: EPERM, 17: EEXIST
        assert cell.ask(f"result = {rename.format(flag=flag)}") == outcome


def test_writing_out_is_pretended(cell):
    # By a file that may only be read it would make the host's disk write its cache out. A pipe tells: it cannot be.
    assert cell.ask("import os; result = os.fsync(0), os.fdatasync(0), os.fsync(os.open(os.__file__, 0))") == (
        None, None, None,
    )  # fmt: skip


def test_nobody_keeps_the_disk_busy(cell):
    """What goes past the page cache is refused, and to sync does nothing."""
    for flag in ("O_DIRECT", "O_SYNC", "O_DSYNC", "O_RSYNC"):
        assert cell.errno(f"import json, os; os.open(json.__file__, os.O_RDONLY | os.{flag})") == "EPERM", flag
        assert cell.errno(f"import os; os.open('own', os.O_RDWR | os.O_CREAT | os.{flag})") == "EPERM", flag
    for flag in (1, 2, 4, 8, 16, 0x80):  # HIPRI, DSYNC, SYNC, NOWAIT, APPEND, DONTCACHE
        assert (
            cell.errno(f"import json, os; os.preadv(os.open(json.__file__, 0), [bytearray(9)], 0, {flag})") == "EPERM"
        )
        assert (
            cell.errno(f"import os; os.pwritev(os.open('own', os.O_RDWR | os.O_CREAT), [b'x'], 0, {flag})") == "EPERM"
        )
    assert (
        cell.ask("""
        import mmap, os
        with open("plain", "w+b", buffering=0) as file:
            file.write(bytes(4096))
            os.pwritev(file.fileno(), [b"abc"], 0, 0)
            mmap.mmap(file.fileno(), 4096).flush()
            os.fsync(file.fileno())
            got = bytearray(3)
            os.preadv(file.fileno(), [got], 0, 0)
        os.fsync(50), os.fdatasync(50)
        result = bytes(got)
    """)
        == b"abc"
    )


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_sqlite_keeps_a_database_in_the_scratch(cell, journal):
    """Two connections see each other's locks: sqlite keeps those of one process apart by itself."""
    assert cell.ask(f"""
        import sqlite3
        first, second = (sqlite3.connect("{journal}.db", timeout=0) for _ in range(2))
        first.execute("pragma journal_mode={journal}")
        first.execute("create table t (x)")
        first.commit()
        first.execute("insert into t values (1)")
        result = [second.execute("select count(*) from t").fetchone()[0]]
        try:
            second.execute("insert into t values (2)")
        except sqlite3.OperationalError as error:
            result.append(str(error))
        second.rollback()
        first.commit()
        second.execute("insert into t values (2)")
        second.commit()
        result.append([x for x, in first.execute("select x from t")])
    """) == [0, "database is locked", [1, 2]]


@on_x86
@pytest.mark.parametrize(
    ("name", "number"),
    {
        "shmget": 29, "msgget": 68, "semget": 64, "inotify_init1": 294, "fanotify_init": 300, "ptrace": 101,
        "process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321, "io_uring_setup": 425, "userfaultfd": 323,
        "perf_event_open": 298, "keyctl": 250, "mount": 165, "unshare": 272, "setns": 308, "chroot": 161,
        "setuid": 105, "capset": 126, "seccomp": 317, "landlock_restrict_self": 446, "setpriority": 141,
        "sched_setaffinity": 203, "setsid": 112, "kexec_load": 246, "init_module": 175, "swapon": 167, "mknod": 133,
        "splice": 275, "vmsplice": 278, "sendfile": 40, "arch_prctl": 158, "modify_ldt": 154, "timer_create": 222,
        "vfork": 58, "execveat": 322, "pidfd_getfd": 438, "set_mempolicy": 238, "memfd_secret": 447, "mlock": 149,
        "tgkill": 234, "tkill": 200, "rt_sigqueueinfo": 129, "setxattr": 188,
    }.items(),
)  # fmt: skip
def test_the_rest_of_the_kernel_is_refused(cell, name, number):
    assert cell.syscall(number, 0, 0, 0, 0, 0) == ("ENOTSUP" if name == "setxattr" else "EPERM")


@on_x86
def test_calls_with_a_fallback_say_that_they_do_not_exist(cell):
    # 7. clone3's flags cannot be seen; ioctl says what isatty expects.
    assert cell.syscall(435, 0, 0) == "ENOSYS"
    assert cell.syscall(437, 0, 0, 0, 0) == "ENOSYS"
    assert cell.syscall(16, 1, 0x5401, 0) == "ENOTTY"
    assert cell.syscall(16, 3, 0x5412 | 1 << 32, 0) == "ENOTTY"  # TIOCSTI
    assert cell.ask("import os; os.set_inheritable(0, False); result = os.isatty(0)") is False


@on_x86
def test_arguments_are_compared_as_the_kernel_reads_them(cell):
    # 7. In the lower 32 bits alone: an upper half neither hides a forbidden command nor spoils a harmless one.
    assert cell.syscall(72, 3, 4 | 1 << 32, 0o20000) == "EPERM"  # fcntl F_SETFL
    assert cell.syscall(157, 1 | 1 << 40, 0) == "EPERM"  # prctl PR_SET_PDEATHSIG
    assert cell.syscall(157, 1, 0) == "EPERM"
    assert cell.syscall(157, 4, 1) == "EPERM"  # PR_SET_DUMPABLE
    assert cell.syscall(228, 0xFFFFFFFE, 0) == "EPERM"  # clock_gettime of another process: not so by the whole word
    assert cell.syscall(302, 0, 7, 1, 0) == "EPERM"  # prlimit64 that sets
    assert cell.syscall(302, 2, 7, 0, 0) == "EPERM"  # prlimit64 of another process
    assert cell.ask("""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        word = ctypes.create_string_buffer(16)
        result = libc.syscall(ctypes.c_long(157), ctypes.c_long(16), word), word.value != b""
    """) == (0, True)


def test_clocks_are_those_that_have_a_name(cell):
    assert cell.ask("import time; result = time.thread_time() > 0 and time.process_time() > 0") is True
    assert (
        cell.ask("""
        import threading, time
        try:
            result = time.clock_gettime(time.pthread_getcpuclockid(threading.get_ident()))
        except PermissionError:
            result = "EPERM"
    """)
        == "EPERM"
    )


@on_x86
def test_of_futex_only_waiting_and_waking(cell):
    # 11. 3, 4: REQUEUE moves another's waiter away, also through a read-only mapping; 5: WAKE_OP; 6..: PI.
    for operation in (2, 3, 4, 5, 6, 7, 8, 11, 12, 13):
        for flags in (0, 128, 256, 384):
            assert cell.syscall(202, 0, operation | flags, 0, 0, 0, 0) == "EPERM", operation
    for operation in (0, 1, 9, 10):
        for flags in (0, 128):
            assert cell.syscall(202, 1, operation | flags, 0, 0, 0, 0) in ("EINVAL", "EFAULT"), (
                operation
            )  # it was looked at


@on_x86
def test_a_foreign_architecture_is_death(cells):
    # 7. x32 marks its numbers with bit 30; 39 is getpid.
    cell = cells.cell()
    assert cell.dies("import ctypes; ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 39))") == -signal.SIGSYS
    cell = cells.cell()
    assert cell.dies("""
        import ctypes, sys
        # No code can be written, but the bytes of "int 0x80; ret" may lie somewhere in what is mapped.
        base = ctypes.cast(ctypes.CDLL(None).abort, ctypes.c_void_p).value & ~0xFFF
        text = ctypes.string_at(base, 0x80000)
        place = text.find(b"\\xcd\\x80")
        if place < 0:
            ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 39))
        ctypes.CFUNCTYPE(ctypes.c_int)(base + place)()
    """) in (-signal.SIGSYS, -signal.SIGSEGV)


def test_it_holds_four_descriptors_and_none_of_the_zygotes(cell):
    # 9.
    assert cell.ask("""
        import os, stat
        def kind(fd):
            try:
                return stat.S_IFMT(os.fstat(fd).st_mode)
            except OSError:
                return 0
        kinds = [kind(fd) for fd in range(64)]
        wanted = [stat.S_IFIFO, stat.S_IFIFO, stat.S_IFIFO, stat.S_IFSOCK]
        result = kinds == wanted + [0] * 60
    """)
    assert cell.ask("import os; result = os.read(0, 10)") == b""


def test_its_stdin_is_nobody_elses(cells, cell):
    # Its times can be set where files have owners at all, and another who held it would read them.
    other = cells.cell()
    identity = "import os; s = os.fstat(0); result = s.st_dev, s.st_ino"
    assert (
        len(
            {
                cell.ask(identity),
                other.ask(identity),
                (Path("/dev/null").stat().st_dev, Path("/dev/null").stat().st_ino),
            }
        )
        == 3
    )
    other.worker.kill()


# ── how it ends, what it knows ────────────────────────────────────────────────────────────────────────────────────────


def test_abort_and_faults_end_it_with_a_traceback(cells):
    # 1.
    cell = cells.cell()
    assert cell.dies("import ctypes; ctypes.CDLL(None).abort()") in (-signal.SIGSEGV, -signal.SIGABRT)
    assert "Fatal Python error" in cell.worker.stderr
    cell = cells.cell()
    assert cell.dies("import ctypes; ctypes.string_at(8)") == -signal.SIGSEGV
    assert "Segmentation fault" in cell.worker.stderr


def test_cpu_over_a_whole_life_is_the_last_bound(cells):
    # 1. Pid 1 of a pid namespace ignores the soft limit's SIGXCPU; the hard one kills.
    cell = cells.cell(msgspec.structs.replace(cells.nursery._limits, cpu_total=1))
    assert cell.dies("while True: pass") in (-signal.SIGKILL, -signal.SIGXCPU)


def test_its_environment_holds_nothing_of_ours(make_cells, monkeypatch):
    # 4. The initial stack is what execve wrote: a cleared os.environ would not help there.
    monkeypatch.setenv("GAME_SECRET", "hunter2-hunter2")
    cell = make_cells(Confinement.FULL).cell()
    assert b"hunter2" not in Path(f"/proc/{cell.worker.pid}/environ").read_bytes()
    assert set(cell.ask("import os; result = list(os.environ)")) <= {
        "LC_CTYPE", "PATH", "HOME", "TMPDIR", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
    }  # fmt: skip


def test_workers_share_no_randomness(cells):
    draw = """
        import random, os, tempfile, uuid, ssl, secrets
        result = [random.random(), os.urandom(8), tempfile.mktemp(), str(uuid.uuid4())]
        result += [ssl.RAND_bytes(8), secrets.token_hex(8)]
    """
    first, second = (cells.cell().ask(draw) for _ in range(2))
    assert not set(first) & set(second)


def test_the_mode_says_what_it_gives_up(cells, cell):
    # 13.
    exists = cell.ask("import os; result = os.path.exists('/etc/passwd')")
    assert exists is (cells.mode is Confinement.REDUCED)
    off = [name for name, state in cells.up.layers.items() if state.startswith("off")]
    assert bool(off) is (cells.mode is Confinement.REDUCED)
    assert "seccomp" in cells.up.layers
    assert "Landlock" in cells.up.layers
