"""Runs inside a confined worker, in place of its loop: executes the code it is sent, answers with what came of it."""

import os
import socket
import traceback
from typing import Any, NoReturn

from fumehood.shared.messages import LogLine, pack


def run(channel: socket.socket, scratch: str) -> NoReturn:
    scope: dict[str, Any] = {"channel": channel, "scratch": scratch, "pack": pack, "LogLine": LogLine}
    while (packet := socket.recv_fds(channel, 1 << 16, 8))[0]:
        code, scope["fds"] = packet[:2]
        scope["result"] = None
        try:
            exec(code.decode(), scope)
            answer = LogLine(0, repr(scope["result"]))
        except BaseException:  # noqa: BLE001 (SystemExit too is an answer here)
            answer = LogLine(40, traceback.format_exc()[-4000:])
        os.write(channel.fileno(), pack(answer))
    os._exit(0)
