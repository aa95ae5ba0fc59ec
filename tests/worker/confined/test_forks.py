"""The zygote's loop while the supervisor does not read: it forks and reaps on, and tells all of it later, in order."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from fumehood.runner import nursery, packages, zygote_process
from fumehood.shared import packets
from fumehood.shared.messages import (
    Confined,
    Exited,
    Fork,
    Forked,
    ForkFailed,
    Report,
    ZygoteReport,
    ZygoteUp,
    pack,
    unpacker,
)
from fumehood.shared.policy import Confinement, Limits
from fumehood.shared.removal import removal

WORKERS = 20
"""More than go into the smallest buffer that a socket can have, which is about seven."""
PATIENCE = 20.0
LIMIT = 256 * 1024

report = unpacker(ZygoteReport, "the zygote")
word = unpacker(Report, "a worker")


class Zygote:
    """A real one, whose socket takes a few packets only; read by nobody but the test."""

    def __init__(self, mode):
        self.stack = contextlib.ExitStack()
        plan = nursery.make_plan(mode, packages.locate([]))
        if plan.scratch:
            self.stack.callback(lambda: list(removal(plan.scratch)))
        file = zygote_process.plan_file(plan)
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.stack.enter_context(self.control)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the kernel takes its least for that
        self.process = subprocess.Popen(
            zygote_process.command(sys.executable, "zygote", theirs.fileno(), file),
            env=zygote_process.environment(), pass_fds=(theirs.fileno(), file), stdin=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        self.stack.callback(self.process.wait)
        self.stack.callback(self.process.kill)
        theirs.close()
        os.close(file)
        assert isinstance(self.heard()[0], ZygoteUp)

    def fork(self, serial):
        """Ask for a worker; our end of its command socket."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.stack.enter_context(ours)
        ours.settimeout(PATIENCE)
        with theirs, Path(os.devnull).open("wb") as errors:
            request = pack(Fork(serial, msgspec.to_builtins(Limits())))
            packets.send(self.control, request, (theirs.fileno(), errors.fileno()))
        return ours

    def heard(self):
        """The next report, waited for; and its descriptors, which are closed at the end."""
        assert select.select([self.control], [], [], PATIENCE)[0], "nothing more was told"
        data, fds = packets.receive(self.control, LIMIT)
        for fd in fds:
            self.stack.callback(os.close, fd)
        return report(data), fds

    def heard_already(self):
        """Those that have been sent."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                data, fds = packets.receive(self.control, LIMIT)
                for fd in fds:
                    self.stack.callback(os.close, fd)
                found.append((report(data), fds))
        return found

    def descriptors(self):
        """What it holds once it has done all that it was asked for before."""
        packets.send(self.control, pack(Fork(-1, {})))
        assert self.heard()[0] == ForkFailed(-1, "a Fork came with 0 descriptors instead of 2")
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def stopped(self):
        """While it stands still, nothing is sent that was not."""
        os.kill(self.process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)
        self.stack.callback(os.kill, self.process.pid, signal.SIGCONT)


@pytest.fixture(params=list(Confinement))
def zygote(request):
    made = Zygote(request.param)
    with made.stack:
        yield made


def test_a_supervisor_that_does_not_read_holds_no_fork_up_and_hears_of_all_in_order(zygote):
    before = zygote.descriptors()
    workers = [zygote.fork(serial) for serial in range(WORKERS)]
    for worker in workers:  # each is confined, though the zygote can tell of a few only
        assert isinstance(word(worker.recv(LIMIT)), Confined)
    zygote.stopped()
    told = zygote.heard_already()
    assert 0 < len(told) < WORKERS, "some had to wait, or this tests nothing"
    os.kill(zygote.process.pid, signal.SIGCONT)
    told += [zygote.heard() for _ in range(WORKERS - len(told))]
    assert [each for each, _ in told] == [Forked(serial) for serial in range(WORKERS)]
    assert zygote.descriptors() == before + WORKERS, "a pidfd of each, and no second one of those that waited"
    for _, (pidfd,) in told:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        assert isinstance(zygote.heard()[0], Exited)
    assert zygote.descriptors() == before


def test_deaths_too_are_told_later_and_each_once(zygote):
    workers = [zygote.fork(serial) for serial in range(WORKERS)]
    for worker in workers:
        word(worker.recv(LIMIT))
        worker.close()  # its end, which the zygote can not tell of either
    heard = [zygote.heard()[0] for _ in range(2 * WORKERS)]
    assert [each for each in heard if isinstance(each, Forked)] == [Forked(serial) for serial in range(WORKERS)]
    ended = [each for each in heard if isinstance(each, Exited)]
    assert sorted(each.serial for each in ended) == list(range(WORKERS))
    for each in ended:
        assert heard.index(Forked(each.serial)) < heard.index(each)
    assert zygote.heard_already() == []
