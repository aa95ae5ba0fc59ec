"""The command ``fumehood``: demo, run, stubs, doctor. Options in, one call, exit code out; heavy imports come late.

Exit codes are `shared.exits.Exit`; usage errors are click's own, 2.
"""

import contextlib
import errno
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from .. import __version__
from ..shared.errors import AlreadyAttached, ConfigError, FumehoodError, MachineError, UsageError
from ..shared.exits import Exit
from ..shared.policy import Confinement
from . import config as settings
from . import pipes

STDOUT = "-"

INTERRUPTED = 128 + 2
"""What a shell shows for a program that Ctrl-C ended: a demo cut short has proved nothing, and must not pass for it."""

CODES: tuple[tuple[type[FumehoodError], Exit], ...] = (
    (AlreadyAttached, Exit.BUSY),
    (ConfigError, Exit.CONFIG),
    (UsageError, Exit.USAGE),
    (MachineError, Exit.UNAVAILABLE),
    (FumehoodError, Exit.INTERNAL),
)
"""The first class that fits names the exit code."""


F = TypeVar("F", bound=Callable[..., object])


@contextlib.contextmanager
def telling() -> Iterator[None]:
    """Turn our errors into a line on stderr and an exit code; anything else is a bug and keeps its traceback."""
    try:
        yield
    except FumehoodError as error:
        click.echo(f"fumehood: {error}", err=True)
        sys.exit(next(code for kind, code in CODES if isinstance(error, kind)))


def json_option(what: str) -> Callable[[F], F]:
    """The same option everywhere: ``--json`` alone prints one document on stdout, ``--json FILE`` writes it."""
    return click.option(
        "--json",
        "json_to",
        is_flag=False,
        flag_value=STDOUT,
        metavar="[FILE]",
        help=f"{what} as one JSON document: on stdout (and nothing else there), or into FILE.",
    )


def refuse_unwritable(option: str, target: Path | str | None) -> None:
    """Before anything is run for half a minute: raise ConfigError when its outcome could not be written there."""
    if target is None or target == STDOUT:
        return
    file = Path(target)
    folder = file.parent
    if file.is_dir():
        reason = "it is a folder"
    elif not folder.is_dir():
        reason = f"there is no folder {folder}"
    elif not os.access(file if file.exists() else folder, os.W_OK):
        reason = os.strerror(errno.EACCES)
    else:
        return
    raise ConfigError(f"{option} {target}: cannot be written: {reason}")


def write_document(document: object, target: str) -> None:
    """Write one JSON document to a file, or to stdout for "-". Raises ConfigError when the file cannot be written."""
    text = json.dumps(document, indent=2, default=str) + "\n"
    if target == STDOUT:
        pipes.write(sys.stdout, text)
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--json {target}: cannot be written: {error.strerror}") from None


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with: fumehood demo. What this machine can confine: fumehood doctor.",
)
@click.version_option(__version__, prog_name="fumehood")
def main() -> None:
    """Run the mods nobody vetted inside a live game.

    Each mod lives in its own kernel-confined process. It may crash, hang, eat memory or turn hostile: the game's next
    frame comes on time. Save a mod's file and it is live a moment later, with its state; break it and the last good
    version goes on serving.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 shows a question mark, not a traceback


@main.command(short_help="A small live game that breaks its own mods, and shows what happens.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=10, max=3600),
    default=30.0,
    show_default=True,
    help="How long it runs, about. At least 10: the mods' mishaps need their time.",
)
@click.option("--plain", is_flag=True, help="Lines instead of a screen; so too when stdout is no terminal.")
@click.option("--svg", "picture", type=click.Path(path_type=Path), help="Save a picture of the screen.")
@click.option(
    "--confinement",
    type=click.Choice([str(mode) for mode in Confinement]),
    default=str(Confinement.FULL),
    show_default=True,
    help="How strongly the mods are confined; see: fumehood doctor.",
)
@json_option("The summary")
def demo(seconds: float, plain: bool, picture: Path | None, confinement: str, json_to: str | None) -> None:
    """Play a small village at 60 frames a second while its mods are edited, broken and attacked.

    The demo copies its sample mods to a temporary folder and edits that copy the way an editor does: a good change, a
    change of the state's shape, a syntax error, an exception at import, a segfault, an endless loop, a memory leak,
    and a stranger's mod that reads /etc/passwd, opens a socket, forks and kills its parent. Each one has to end as
    expected, and the summary says so: reloads, rollbacks, save-to-live times, frame times.

    Exit code: 0 when every step ended as expected, 1 when one did not, 69 when this machine cannot confine mods.
    Ctrl-C ends it with the summary so far, and 130.
    """
    from .demo import play  # rich and the whole game: only when asked for

    with telling():
        quiet = json_to == STDOUT
        refuse_unwritable("--json", json_to)
        refuse_unwritable("--svg", picture)
        result = play(
            seconds=seconds,
            plain=plain or quiet or not sys.stdout.isatty(),
            confinement=Confinement(confinement),
            picture=picture,
            out=sys.stderr if quiet else sys.stdout,
        )
        if json_to is not None:
            write_document(result.document(), json_to)
    sys.exit(Exit.FAILED if not result.ok else INTERRUPTED if result.interrupted else Exit.OK)


@main.command(short_help="Supervise a folder of mods; a game attaches with fumehood.runner.connect.")
@click.argument("mods_dir", required=False, type=click.Path(path_type=str))
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help=f"Settings file. Default: ./{settings.FILE_NAME}, if there is one.",
)
@click.option(
    "--confinement",
    type=click.Choice([str(mode) for mode in Confinement]),
    help="full (default): every layer, or no start. reduced: without namespaces; see SECURITY.md for what it gives up.",
)
@click.option(
    "--watcher",
    type=click.Choice([str(kind) for kind in settings.Watcher]),
    help="How changes are noticed. auto (default): native, and polling where inotify cannot serve.",
)
@click.option("--package", "packages", multiple=True, metavar="NAME", help="Let mods import NAME too. Repeatable.")
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=VALUE",
    help="What one mod may use, such as memory=64MiB or hang_after=0.5. Repeatable.",
)
@click.option("--most-mods", type=int, metavar="N", help="Refuse a folder that holds more mods. Default: 500.")
@click.option(
    "--log-format",
    type=click.Choice([str(kind) for kind in settings.LogFormat]),
    help="One line per event on stderr: text (default), or json for machines.",
)
@click.option("--log-level", type=click.Choice([str(level) for level in settings.LogLevel]), help="Default: info.")
@click.option("--show-config", is_flag=True, help="Print the settings that would hold, as JSON, and end.")
def run(
    mods_dir: str | None,
    config_file: Path | None,
    packages: tuple[str, ...],
    limits: tuple[str, ...],
    show_config: bool,
    **options: Any,
) -> None:
    """Supervise MODS_DIR until Ctrl-C: load its mods, reload what is saved, roll back what fails.

    A mod is one NAME.py, or one folder NAME/ with an __init__.py. The mods outlive the game: it attaches with

    \b
        from fumehood.runner import connect
        with connect("MODS_DIR") as mods: ...

    and may crash, restart and attach again; the mods keep their state meanwhile.

    Settings come from fumehood.toml (root, confinement, watcher, packages, most_mods, deterministic, log_format,
    log_level, [limits]);
    what stands on the command line wins. The file is never looked for inside MODS_DIR, where a mod's author could write
    it.

    Exit code: 0 after Ctrl-C or SIGTERM, 69 when this machine lacks a layer, 75 when another supervisor serves the
    folder, 78 when the folder or a setting is wrong.
    """
    with telling():
        if config_file is None:
            config_file = settings.find(Path.cwd())
        config = settings.read(config_file) if config_file else settings.Config()
        given: dict[str, Any] = {"packages": packages or None, "root": mods_dir, **options}
        given["limits"] = dict(settings.parse_limit(limit) for limit in limits)
        config = settings.merge(config, given)
        if config.root is None:
            raise click.UsageError(f"Which folder? Name MODS_DIR, or set `root` in {settings.FILE_NAME}.")
        root = settings.check_root(config.root)
        if config_file is not None and config_file.resolve().is_relative_to(root):
            raise ConfigError(f"{config_file}: lies inside the mods folder, where a mod's author could change it")
        if show_config:
            write_document(msgspec.to_builtins(msgspec.structs.replace(config, root=str(root))), STDOUT)
            return
        from . import logs
        from .serve import serve  # the whole supervisor: not for --help

        logs.set_up(config.log_format, config.log_level)
        code = serve(root, config)
    sys.exit(code)


@main.command(short_help="Write a stub of a game's Api, so that editors and mypy check its mods.")
@click.argument("named", metavar="MODULE:NAME")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("typings"),
    show_default=True,
    help="Folder for the stub; pyright looks into typings by itself, mypy with mypy_path.",
)
def stubs(named: str, folder: Path) -> None:
    """Write what mods of a game may say and hear, with types and docstrings, as a stub of fumehood.worker.

    MODULE:NAME is the game's Api, such as game:api for `api = Api(…)` in game.py. The module is imported from the
    current folder, as the game's own code.

    Mods stay as they are. Tell type checkers of the folder: `mypy_path = "typings"` for mypy; pyright, and editors that
    use it, find it under its default name beside the mods.

    Exit code: 0, or 78 when the module, the name or the folder is wrong.
    """
    from . import stubs as stubbing
    from .api_lookup import find_api

    with telling():
        click.echo(f"{stubbing.write(find_api(named, Path.cwd()), folder)}")


@main.command(short_help="Try each confinement layer on this machine; name the remedy for what is missing.")
@click.option("--attack", is_flag=True, help="Attack the confinement as hostile mods would, and say what stopped each.")
@click.option("--every", is_flag=True, help="With --attack: the whole corpus, two minutes, in place of its quick part.")
@click.option(
    "--confinement",
    type=click.Choice([mode.value for mode in Confinement]),
    default=Confinement.FULL.value,
    show_default=True,
    help="With --attack: which mode is attacked.",
)
@json_option("The report")
def doctor(attack: bool, every: bool, confinement: str, json_to: str | None) -> None:
    """Try each confinement layer on this machine, and say what it gives.

    Every layer is really tried in a child process, not guessed from version numbers: user namespaces, the private
    root, Landlock, seccomp, limits, capabilities. For each that is missing it prints why, and the exact command that
    brings it. It changes nothing on the machine.

    --attack runs mods that were written to break out: each is first let succeed in a process of its own, unconfined,
    against targets made for it, then loaded as any mod is, beside a game that goes on at 60 frames a second. It prints
    what became of each, and what stopped it.

    Exit code: 0 when full confinement works here, 69 when only the reduced mode or none does. With --attack: 0 when
    every attack ended as it has to, 1 when one did not, 69 when a layer of that mode is missing.
    """
    from . import attacked
    from . import doctor as physician

    with telling():
        if (every or confinement != Confinement.FULL.value) and not attack:
            raise click.UsageError("--every and --confinement are of --attack: fumehood doctor --attack …")
        refuse_unwritable("--json", json_to)
        if attack:
            code = attacked.show(attacked.collect(Confinement(confinement), every=every), json=json_to)
        else:
            code = physician.show(physician.collect(), json=json_to)
    sys.exit(code)


if __name__ == "__main__":
    main()
