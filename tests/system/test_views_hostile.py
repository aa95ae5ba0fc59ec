"""A mod that wants to write a view, in both modes of confinement, with everything that its process can do; and one that
lies about what it reads. The view is what the game published, and the game goes on."""

import pytest
from fumehood.runner.views import FIRST_BUFFERS
from fumehood.shared.policy import Confinement, Limits

READER = """
from fumehood.worker import on, view
@on("read")
def read(): return view("npcs").tolist()
"""
ATTACK = """
import errno, fcntl, mmap
from fumehood.worker import view
from fumehood.shared.views import PINS, HEADER
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = libc.mremap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]

def address():
    seen = view("npcs")
    buffer = (ctypes.c_char * 128)()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(seen), buffer, 0)
    return ctypes.cast(buffer, ctypes.POINTER(ctypes.c_void_p))[0]

def number(result):
    return result if result in (0, None) else errno.errorcode.get(ctypes.get_errno(), ctypes.get_errno())

def said(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno, error.errno)
    except ValueError as error:
        return "ValueError"
    return "done"

@on("overwrite")
def overwrite():
    ctypes.memset(address(), 0xFF, 4)
    return "written"

@on("unprotect")
def unprotect():
    page = address() & ~4095
    told = [number(libc.mprotect(page, 4096, 3)), number(libc.madvise(page, 4096, 9))]  # REMOVE
    twin = libc.mremap(page, 0, 4096, 1, None)  # a second mapping of the same pages: no more than the first
    if twin not in (None, 2**64 - 1):
        told.append(number(libc.mprotect(twin, 4096, 3)))
    libc.madvise(page, 4096, 4)  # DONTNEED throws away its own table entries, no bytes
    return told

def view_descriptors():
    found = []
    for fd in range(4, 64):
        with contextlib.suppress(OSError):
            if HEADER < os.fstat(fd).st_size < 1 << 20:  # the memory for its state is larger
                found.append(fd)
    return found

@on("descriptors")
def descriptors():
    told = []
    for fd in view_descriptors():
        size = os.fstat(fd).st_size
        told.append([
            said(lambda: os.pwrite(fd, b"x" * 64, HEADER)),
            said(lambda: os.ftruncate(fd, 0)),
            said(lambda: os.posix_fallocate(fd, 0, size)),
            number(libc.fallocate(fd, 3, ctypes.c_long(0), ctypes.c_long(size))),
            said(lambda: fcntl.fcntl(fd, 1033, 8)),
            said(lambda: os.open(f"/proc/self/fd/{fd}", os.O_RDWR)),
            said(lambda: os.open(f"/dev/fd/{fd}", os.O_RDWR)),
            "mapped" if libc.mmap(None, size, 3, 1, fd, 0) not in (None, 2**64 - 1) else "not mapped",
        ])
        with contextlib.suppress(OSError):
            os.fchmod(fd, 0o666)
        told[-1].append(said(lambda: os.open(f"/proc/self/fd/{fd}", os.O_RDWR)))
    return told

@on("keep_away")
def keep_away():
    return [
        [
            said(lambda: os.fchmod(fd, 0)),
            said(lambda: os.utime(fd, ns=(7, 7))),
            number(libc.utimensat(fd, b"", None, 0x1000)),  # AT_EMPTY_PATH
            number(libc.futimesat(fd, None, None)),
        ]
        for fd in view_descriptors()
    ]

@on("pin")
def pin(mask, generation=None):
    view("npcs")
    mine = grip()["Worker"].windows if "Worker" in grip() else grip()["Windows"]
    entry = mine._entries["npcs"]
    mine.held.clear()  # so that nothing puts it right
    mine._up.store64(entry.at_pins, (entry.generation if generation is None else generation) << 32 | mask)
    return True
"""


@pytest.fixture(scope="module", params=list(Confinement))
def house(request, launched, tmp_path_factory):
    limits = Limits(hang_after=60.0)
    with launched(tmp_path_factory.mktemp("hostile") / "mods", confinement=request.param, limits=limits) as it:
        it.load("reader", READER)
        yield it


def ask(bench, name, event, *args):
    return bench.mods[name].call(event, *args, timeout=20)


def attack(bench):
    return bench.hostile("import contextlib\n" + ATTACK)


@pytest.fixture
def npcs(house):
    """What the game publishes; afterwards every mod still reads just that, and what comes after it."""
    first = list(range(100))
    house.mods.publish("npcs", bytes(first))
    yield first
    assert ask(house, "reader", "read") == first
    for number in range(40):
        house.mods.publish("npcs", bytes([number] * 100))
        assert ask(house, "reader", "read") == [number] * 100


def test_who_writes_to_its_memory_dies(house, mod, npcs):
    house.load(mod, attack(house))
    since = house.mark()
    outcome = house.mods[mod].call_outcome("overwrite", timeout=20)
    assert type(outcome.error).__name__ == "ModCrashed"
    assert house.next(mod, since, None).diagnostic.kind == "SIGSEGV"


def test_its_memory_does_not_become_writable(house, mod, npcs):
    house.load(mod, attack(house))
    protect, remove, *twin = ask(house, mod, "unprotect")
    assert protect == "EACCES"
    assert remove in ("EPERM", "EACCES")
    assert twin in ([], ["EACCES"])


def test_no_descriptor_of_it_can_be_written(house, mod, npcs):
    house.load(mod, attack(house))
    ask(house, mod, "unprotect")  # so that it has read it
    told = ask(house, mod, "descriptors")
    assert told
    for write, truncate, allocate, punch, seal, opened, other, mapped, afterwards in told:
        assert write == "EBADF"
        assert truncate in ("EBADF", "EINVAL", "EPERM")
        assert {allocate, punch, seal} <= {"EBADF", "EPERM"}
        assert {opened, other, afterwards} <= {"ENOENT", "EACCES", "EPERM"}
        assert mapped == "not mapped"


def test_who_comes_later_can_read_it_whatever_one_does_to_its_mode_and_times(house, mod, npcs):
    # Where the game runs as an ordinary user, the file is the workers' own.
    house.load(mod, attack(house))
    ask(house, mod, "unprotect")  # so that it has read it
    told = ask(house, mod, "keep_away")
    assert told
    assert told == [["EPERM"] * 4] * len(told)
    house.load(f"{mod}_later", READER)
    assert ask(house, f"{mod}_later", "read") == npcs


DEAF = """
from fumehood.worker import on
from fumehood.worker.link import Link
old = Link.receive
def receive(self, *, wait, fresh=False):
    return old(self, wait=wait, fresh=fresh) if wait else None
Link.receive = receive
@on("answer")
def answer(): return "yes"
"""


@pytest.mark.parametrize("mode", list(Confinement))
def test_who_does_not_read_its_commands_is_ended_before_it_keeps_others_from_theirs(launched, tmp_path, mode):
    # What lies unread are descriptors, which the kernel counts for the user: so many, and nobody of that user can be
    # sent one.
    limits = Limits(hang_after=0.2, query_timeout=0.1)
    with launched(tmp_path / "mods", confinement=mode, limits=limits) as bench:
        bench.load("reader", READER)
        bench.load("deaf", DEAF)
        assert ask(bench, "deaf", "answer") == "yes"
        since = bench.mark()
        bench.mods.publish("npcs", bytes(10))
        found = bench.next("deaf", since, None).diagnostic
        assert found.kind == "LimitExceeded"
        assert "hang_after" in str(found)
        assert "its commands lay unread" in str(found)
        assert ask(bench, "reader", "read") == [0] * 10


def test_who_lies_about_what_it_reads_costs_the_game_a_little_memory(house, mod, npcs):
    house.load(mod, attack(house))

    def buffers():
        return house.mods._views._views["npcs"].memory.buffers

    for mask in (0xFFFFFFFF, 0b11111, 0b111, 0b1110, 0b10101):
        assert ask(house, mod, "pin", mask)
        for number in range(30):
            house.mods.publish("npcs", bytes([number] * 100))
            assert ask(house, "reader", "read") == [number] * 100
        assert buffers() <= 2 * FIRST_BUFFERS
    assert ask(house, mod, "pin", 0b1, 0xFFFFFFFF)
    assert house.mods.statistics()["overwritten_views"] == 0
    house.mods.publish("npcs", bytes(npcs))
