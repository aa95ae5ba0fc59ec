"""A real nursery of confined workers that run `probing.py` instead of their loop: send code in, get what came of it."""

import ast
import asyncio
import contextlib
import textwrap
from pathlib import Path

import pytest
from fumehood.runner.nursery import Nursery
from fumehood.shared import packets
from fumehood.shared.policy import Confinement, Limits

HERE = Path(__file__).parent
MODULES = {name: str(HERE / f"{name}.py") for name in ("probing", "old_landlock")}
DEADLINE = 20.0


class Raised(Exception):
    """The code in the worker raised; the message is its traceback."""


class Died(Exception):
    """The worker died instead of answering; `status` says how."""

    def __init__(self, status, stderr):
        super().__init__(f"the worker ended with status {status}: {stderr[-2000:]}")
        self.status = status


class Cell:
    """One confined worker."""

    def __init__(self, runner, worker):
        self._runner = runner
        self.worker = worker

    def ask(self, code, fds=()):
        """Run `code` in the worker, with `fds` in its variable fds; what it leaves in `result`. Raises Raised, Died."""
        return self._runner.run(self._ask(textwrap.dedent(code), fds))

    async def _ask(self, code, fds):
        answer = asyncio.get_running_loop().create_future()
        self.worker.on_report = lambda report: answer.done() or answer.set_result(report)
        packets.send(self.worker._commands, code.encode(), tuple(fds))
        await asyncio.wait({answer, self.worker.exited}, timeout=DEADLINE, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            if answer.result().level:
                raise Raised(answer.result().text)
            return ast.literal_eval(answer.result().text)
        assert self.worker.exited.done(), "no answer by the deadline"
        raise Died(self.worker.exited.result(), self.worker.stderr)

    def errno(self, code):
        """Run `code`; the name of the errno of the OSError it raised, or "" when it raised none."""
        body = textwrap.indent(textwrap.dedent(code), "    ")
        return self.ask(
            f"import errno\nresult = ''\ntry:\n{body}\nexcept OSError as e:\n    result = errno.errorcode[e.errno]"
        )

    def syscall(self, number, *arguments):
        """Make one system call; the name of its errno, or "" when it was allowed."""
        return self.ask(f"""
            import ctypes, errno
            libc = ctypes.CDLL(None, use_errno=True)
            code = libc.syscall(ctypes.c_long({number}), *[ctypes.c_long(a) for a in {arguments!r}])
            result = errno.errorcode[ctypes.get_errno()] if code == -1 else ""
        """)

    def dies(self, code):
        """Run `code`, which must end the worker; its exit status."""
        try:
            self.ask(code)
        except Died as death:
            return death.status
        raise AssertionError("the worker lives")


class Cells:
    """A nursery, and an event loop of its own to run it in."""

    def __init__(self, mode, packages=(), limits=None, entry="probing:run", modules=MODULES):
        self.mode = mode
        self.lost = []
        self._runner = asyncio.Runner()
        self.nursery = self._runner.run(self._make(mode, packages, limits or Limits(), entry, modules))

    async def _make(self, mode, packages, limits, entry, modules):
        nursery = Nursery(
            confinement=mode,
            packages=packages,
            limits=limits,
            on_lost=self.lost.append,
            entry=entry,
            extra=modules,
        )
        self.up = await nursery.start()
        return nursery

    def cell(self, limits=None):
        return Cell(self._runner, self._runner.run(self.nursery.take(limits)))

    def run(self, awaitable):
        return self._runner.run(awaitable)

    def close(self):
        self._runner.run(self.nursery.close())
        self._runner.close()


@pytest.fixture(scope="module", params=list(Confinement))
def cells(request):
    """A nursery in each mode."""
    with contextlib.closing(Cells(request.param)) as made:
        yield made


@pytest.fixture(scope="module")
def full_cells():
    """A nursery in the full mode alone."""
    with contextlib.closing(Cells(Confinement.FULL)) as made:
        yield made


@pytest.fixture
def cell(cells):
    """A fresh worker in each mode."""
    made = cells.cell()
    yield made
    made.worker.kill()


@pytest.fixture
def full_cell(full_cells):
    """A fresh worker in the full mode."""
    made = full_cells.cell()
    yield made
    made.worker.kill()


@pytest.fixture
def make_cells():
    """A function that makes further nurseries; all are closed after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(contextlib.closing(Cells(*args, **kwargs)))
