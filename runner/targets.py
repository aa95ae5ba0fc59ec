"""What the hostile corpus is let loose on, besides the game itself: files, sockets and a process that are there to be
hit, and a look at all of them afterwards. In the process of whoever tries the attacks.
"""

import contextlib
import ctypes
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final, Self

_SYSV: Final = tuple(Path("/proc/sysvipc", kind) for kind in ("shm", "sem", "msg"))
_IPC_RMID: Final = 0
_SHM_DEST: Final = 0o1000
_SEGMENT: Final = 4099
"""Bytes of the segment that is there to be read: nobody else's has as many, so others who try attacks at the same time
are not taken for what an attack has left."""
_SHARED: Final = tuple(Path(place) for place in ("/dev/shm", "/dev/mqueue", "/tmp", "/var/tmp"))  # noqa: S108 (looked at)


class Targets:
    """A context manager: made at its beginning, gone at its end."""

    def __init__(self) -> None:
        self._end = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Raises OSError."""
        try:
            self._make()
        except BaseException:
            self._end.close()
            raise
        return self

    def _make(self) -> None:
        self.token = f"fumehood{secrets.token_hex(4)}"
        self.words = f"the secret of {self.token}"
        self.place = Path(tempfile.mkdtemp(prefix="fumehood-attacked-"))
        self._end.callback(shutil.rmtree, self.place, ignore_errors=True)
        self.place.chmod(0o755)  # whoever is kept out is kept out by the confinement
        self.secret = self.place / "secret"
        self.secret.write_text(self.words)
        self.secret.chmod(0o644)
        self.folder = self.place / "open"
        self.folder.mkdir()
        self.folder.chmod(0o777)
        self._keep()
        self.link = self.place / "link"
        self.link.symlink_to(f"where/{self.token}/lies")
        os.environ[self.token] = self.words
        self._end.callback(os.environ.pop, self.token, None)
        self._listeners = [
            self._listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            self._listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            self._listen(socket.AF_UNIX, socket.SOCK_STREAM, str(self.place / "unix")),
            self._listen(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self.token}"),
        ]
        (self.place / "unix").chmod(0o777)
        self._name = os.uname().nodename
        self._segment = self._share(self.words)
        self._sysv = self._sysv_now()
        self._victim: subprocess.Popen[bytes] | None = None
        self._end.callback(self._end_victim)

    def __exit__(self, *_: object) -> None:
        self._end.close()

    def described(self) -> dict[str, Any]:
        """What a script finds as HOST, but for what belongs to a game. Starts the victim, if there is none."""
        if self._victim is None or self._victim.poll() is not None:
            self._victim = subprocess.Popen(["sleep", "3600"], stdin=subprocess.DEVNULL, cwd="/")
        tcp, udp = (each.getsockname()[1] for each in self._listeners[:2])
        return {
            "secret": str(self.secret),
            "words": self.words,
            "folder": str(self.folder),
            "link": str(self.link),
            "name": self._name,
            "domain": Path("/proc/sys/kernel/domainname").read_text().strip(),
            "token": self.token,
            "victim": self._victim.pid,
            "tcp": tcp,
            "udp": udp,
            "unix": str(self.place / "unix"),
            "abstract": self.token,
            "segment": self._segment,
        }

    def renew(self) -> None:
        """After an attack that was to succeed: puts everything right. A victim that was killed may take a while to end,
        and would be held against the next one: so it is another's."""
        self.noticed()
        self._end_victim()
        self._victim = None

    def noticed(self) -> list[str]:
        """What is not as it was, a line each; empty: nobody was here. Puts it right again."""
        found = [what for what, good in self._looks() if not good]
        for listener in self._listeners:
            while heard := self._heard(listener):
                found.append(heard)
        if found:
            self._mend()
        return found

    def _looks(self) -> list[tuple[str, bool]]:
        files = {file.name for file in self.folder.iterdir()}
        return [
            ("the secret was written", self._says_so(self.secret)),
            ("a file was written", self._says_so(self.folder / "kept")),
            ("files were made or removed", files == {"kept"}),
            ("the victim was killed", self._victim is None or self._victim.poll() is None),
            ("the host has another name", os.uname().nodename == self._name),
            ("System V objects were left", self._sysv_now() <= self._sysv),
            ("something was left in a shared place", not self._left()),
        ]

    def _says_so(self, file: Path) -> bool:
        """Whether it is a file yet, and holds our words."""
        return file.is_file() and file.read_text(errors="replace") == self.words

    def _mend(self) -> None:
        wrong = [] if self.secret.is_file() else [self.secret]
        for file in [*wrong, *self.folder.iterdir(), *self._left()]:
            with contextlib.suppress(OSError):
                if file.is_dir() and not file.is_symlink():
                    shutil.rmtree(file, ignore_errors=True)
                else:
                    file.unlink()
        self._keep()
        self.secret.write_text(self.words)
        self._sysv = self._sysv_now()

    def _keep(self) -> None:
        """A file of the host's that anybody may write to."""
        kept = self.folder / "kept"
        kept.write_text(self.words)
        kept.chmod(0o666)

    def _left(self) -> list[Path]:
        return [
            file
            for place in _SHARED
            if place.is_dir()
            for file in place.iterdir()
            if self.token in file.name and file != self.place
        ]

    @staticmethod
    def _sysv_now() -> set[tuple[str, str]]:
        """Kind and number of each that there is, but for what is there to be read, and for memory that is removed
        already: it ends with whoever has it."""
        return {
            (kind.name, fields[1])
            for kind in _SYSV
            if kind.exists()
            for fields in map(str.split, kind.read_text().splitlines()[1:])
            if kind.name != "shm" or not (fields[3] == str(_SEGMENT) or int(fields[2], 8) & _SHM_DEST)
        }

    def _listen(self, family: int, kind: int, where: Any) -> socket.socket:
        listener = self._end.enter_context(socket.socket(family, kind))
        listener.setblocking(False)
        listener.bind(where)
        if kind == socket.SOCK_STREAM:
            listener.listen(8)
        return listener

    def _share(self, words: str) -> int:
        """A System V segment of the host's with these words, which everybody may read: its number, or -1 where the
        kernel has none. Removed at once: it lives as long as this process has it, however that ends."""
        libc = ctypes.CDLL(None, use_errno=True)
        libc.shmat.restype = ctypes.c_void_p
        libc.shmdt.argtypes = (ctypes.c_void_p,)
        if (number := libc.shmget(0, ctypes.c_size_t(_SEGMENT), 0o644)) < 0:
            return -1
        place = libc.shmat(number, None, 0)
        libc.shmctl(number, _IPC_RMID, None)
        if place is None or place == ctypes.c_void_p(-1).value:
            return -1
        self._end.callback(libc.shmdt, place)
        ctypes.memmove(place, words.encode(), len(words))
        return int(number)

    @staticmethod
    def _heard(listener: socket.socket) -> str:
        """Whether somebody called who was not noticed yet, in words."""
        try:
            if listener.type == socket.SOCK_STREAM:
                listener.accept()[0].close()
            else:
                listener.recv(100)
        except BlockingIOError:
            return ""
        return f"somebody called at {listener.getsockname()!r}"

    def _end_victim(self) -> None:
        if self._victim is not None:
            self._victim.kill()
            self._victim.wait()
