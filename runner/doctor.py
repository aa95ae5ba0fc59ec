"""What this machine can confine: the logic behind `fumehood doctor`.

Every layer is tried for real, by `worker/probe.py` in a process of its own; here the answers become two verdicts, a
table and an exit code.
"""

import json as json_
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..shared.errors import MachineError
from ..shared.exits import Exit
from ..shared.policy import Confinement
from . import nursery, packages, pipes, zygote_process

SYSCTLS: Final = (
    "kernel/apparmor_restrict_unprivileged_userns",
    "kernel/unprivileged_userns_clone",
    "user/max_user_namespaces",
    "kernel/yama/ptrace_scope",
    "kernel/core_pattern",
)
"""Settings that decide over layers, shown as they are; one that this kernel does not have is left out."""
TIMEOUT: Final = 60.0


class Layer(msgspec.Struct, frozen=True):
    """One layer as it was tried."""

    name: str
    needed_by: list[Confinement]
    stops: str
    given: bool
    detail: str
    remedy: str
    """What to do about it; empty when it is given."""


class Report(msgspec.Struct, frozen=True):
    """What `fumehood doctor` found, and its JSON document."""

    full: bool
    """Every layer of the full mode is given."""
    reduced: bool
    """Every layer of the reduced mode is given."""
    layers: list[Layer]
    kernel: str
    machine: str
    python: str
    uid: int
    sysctls: dict[str, str]
    cgroup: str
    """Whether limits can be set with cgroup v2 as well. No mode needs it."""


def collect(python: str = sys.executable) -> Report:
    """Try every layer with `python`. Raises MachineError when not even the attempt can be made."""
    if sys.platform != "linux":
        raise MachineError(
            f"fumehood confines mods with Linux's kernel; this is {sys.platform}: use WSL2 or a container"
        )
    answer = _probe(python)
    return judge(
        msgspec.convert(answer["layers"], list[Layer]),
        Report(
            full=False,
            reduced=False,
            layers=[],
            kernel=answer["kernel"],
            machine=answer["machine"],
            python=f"{sys.version.split()[0]} ({python})",
            uid=answer["uid"],
            sysctls={name.replace("/", "."): value for name in SYSCTLS if (value := _sysctl(name))},
            cgroup=cgroup(),
        ),
    )


def judge(layers: list[Layer], machine: Report) -> Report:
    """The verdict on both modes: each layer that a mode needs is given. Pure."""
    full, reduced = (
        all(layer.given for layer in layers if mode in layer.needed_by)
        for mode in (Confinement.FULL, Confinement.REDUCED)
    )
    return msgspec.structs.replace(machine, layers=layers, full=full, reduced=reduced)


def _probe(python: str) -> dict[str, Any]:
    """Run worker/probe.py the way the zygote is run."""
    plan = zygote_process.plan_file(nursery.make_plan(Confinement.FULL, packages.locate([])))
    try:
        done = subprocess.run(
            zygote_process.command(python, "probe", -1, plan),
            env=zygote_process.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=(plan,),
            timeout=TIMEOUT,
            cwd="/",
            check=False,
            text=True,
        )
        answer: dict[str, Any] = json_.loads(done.stdout)
    except json_.JSONDecodeError:
        raise MachineError(f"the probe ended with status {done.returncode}: {done.stderr.strip()[-2000:]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"the probe cannot be run: {error}") from error
    finally:
        os.close(plan)
    return answer


def show(report: Report, json: str | None = None) -> Exit:
    """Print the report, as a table or (`json`: "-" for stdout alone, or a file's path too) as one document.

    Raises ConfigError when the file cannot be written. Returns OK when full confinement works here, else UNAVAILABLE.
    """
    if json is not None and pipes.document(report, json):
        return _code(report)
    console = Console(highlight=False)
    with console.capture() as shown:
        for line in _verdicts(report):
            console.print(line, soft_wrap=True)
        console.print()
        console.print(_table(report))
        for line in _lines(report):
            console.print(line, soft_wrap=True)
    pipes.write(sys.stdout, shown.get())
    return _code(report)


def _code(report: Report) -> Exit:
    return Exit.OK if report.full else Exit.UNAVAILABLE


def _table(report: Report) -> Table:
    table = Table(title="What this machine gives", title_justify="left", box=None, pad_edge=False)
    for column in ("layer", "here", "mode", "what it stops"):  # a row fits in 80 columns
        table.add_column(column, overflow="fold")
    for layer in report.layers:
        mark = "[green]yes[/]" if layer.given else "[bold red]no[/]"
        needed = "both" if len(layer.needed_by) > 1 else layer.needed_by[0].value
        table.add_row(layer.name, mark, needed, layer.stops)
    return table


def _verdicts(report: Report) -> list[str]:
    lines = [
        "[bold]Full confinement[/] (the default): " + _verdict(report.full),
        "[bold]Reduced confinement[/] (--confinement reduced): " + _verdict(report.reduced),
    ]
    if not report.reduced:
        lines.append("Untrusted mods cannot be run on this machine as it is: fumehood refuses to start them.")
    return lines


def _lines(report: Report) -> list[str]:
    missing: dict[str, list[str]] = {}
    """What is the matter, and with which layers: one cause takes many away."""
    for layer in report.layers:
        if not layer.given:
            missing.setdefault(f"{layer.detail}. {layer.remedy}", []).append(layer.name)
    details = [f"{layer.name}: {layer.detail}" for layer in report.layers if layer.given and layer.detail]
    return [
        "",
        *(f"[red]{', '.join(names)}[/]: {escape(why)}" for why, names in missing.items()),
        f"Linux {report.kernel} {report.machine}, uid {report.uid}, Python {report.python}",
        *map(escape, details),
        ", ".join(f"{name} = {escape(value)}" for name, value in report.sysctls.items()),
        f"cgroup v2: {report.cgroup}",
    ]


def _verdict(works: bool) -> str:
    return "[green]works here[/]" if works else "[red]does not work here[/]; see below for what to do"


def cgroup() -> str:
    """What cgroup v2 gives: a folder of our own to delegate from, or why there is none. No layer depends on it."""
    try:
        own = next(
            line.split("::", 1)[1] for line in Path("/proc/self/cgroup").read_text().splitlines() if "::" in line
        )
        folder = next(base / own.lstrip("/") for base in _mounts() if (base / own.lstrip("/")).is_dir())
        controllers = (folder / "cgroup.controllers").read_text().split()
    except (StopIteration, OSError):
        return "not mounted; resident memory is watched by sampling alone"
    if not {"memory", "pids"} <= set(controllers):
        return "mounted, but without the memory and pids controllers; resident memory is watched by sampling alone"
    return "the memory and pids controllers are there; resident memory is still watched by sampling"


def _mounts() -> list[Path]:
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [Path(fields[1]) for fields in lines if fields[2] == "cgroup2"]


def _sysctl(name: str) -> str:
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return ""
