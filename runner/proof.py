"""That an attack does something: it is let succeed, unconfined, in a throw-away process. Whoever tries the attacks runs
this; the process has that user's rights, and as root namespaces of its own where mounts and names end with it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

from .corpus import GOT, Attack

PATIENCE: Final = 20.0
"""Seconds."""
_APART: Final = """
if os.geteuid() == 0 and libc.unshare(0x00020000 | 0x04000000 | 0x08000000) == 0:  # mount, uts, ipc
    libc.mount(None, b"/", None, 0x4000 | 0x40000, None)  # recursive, private
"""
_TELL: Final = """
def _prove():
    try:
        if "plant" in globals():
            plant(HOST["mods"])
            got = attack(HOST["mods"])
        else:
            got = attack()
            if "after" in globals():
                got = after()
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__), str(error)
    except Exception as error:
        return type(error).__name__, str(error)
    return "got it", repr(got)[:200]
import json as _json
os.write(1, _json.dumps(_prove()).encode())
os._exit(0)
"""


class Proof(NamedTuple):
    """What came of letting it succeed."""

    given: bool
    why: str
    """Why it could not be had on this machine; of one that is not given, what went wrong with it."""


def prove(attack: Attack, kit: str, host: dict[str, Any], *, root: bool, python: str = sys.executable) -> Proof:
    """Let it succeed. `root`: whether this process is root's. Raises OSError when nothing can be started."""
    if attack.alone:
        return Proof(True, attack.alone)
    if attack.needs_root and not root:
        return Proof(True, "only root can prove it")
    with tempfile.TemporaryDirectory(prefix="fumehood-proof-") as folder:
        Path(folder, "mods").mkdir()
        text = f"HOST = {host | {'mods': f'{folder}/mods'}!r}\n{kit}{_APART}{attack.text}\n{_TELL}"
        program = Path(folder, "attack.py")
        program.write_text(text)
        try:
            done = subprocess.run(
                [python, "-I", str(program)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE,
                cwd=folder,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Proof(False, f"the proof was not over within {PATIENCE:g} s")
    try:
        ending, said = json.loads(done.stdout.decode().splitlines()[-1])
    except (ValueError, IndexError):
        ending, said = f"status {done.returncode}", done.stderr.decode(errors="replace")[-500:]
    if ending == GOT:
        return Proof(True, "")
    if ending in attack.lacking:
        return Proof(True, f"not on this machine: {attack.lacking[ending]}")
    return Proof(False, f"unconfined it ended with {ending}: {said}")
