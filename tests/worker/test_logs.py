"""Lines on their way to a supervisor that does not read meanwhile: dropped, and counted to the last."""

import logging
import socket

from fumehood.shared.messages import SOCKET_LIMIT, LogLine, Report, unpacker
from fumehood.worker.link import Link
from fumehood.worker.logs import LineSender

unpack = unpacker(Report, "the worker")


def test_what_was_dropped_last_is_told_once_there_is_room() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        link = Link(ours)
        sender = LineSender(link, rate=1e6)
        sent = 0
        while not sender.lost:
            sender.send(logging.INFO, f"line {sent}")
            sent += 1
        sender.flush()
        assert sender.lost, "there is no room for that either"
        sender.finish()
        assert not sender.lost
        lines: list[LogLine] = []
        while True:
            try:
                data = theirs.recv(SOCKET_LIMIT)
            except BlockingIOError:
                if not link.kept:
                    break
                link.flush()
                continue
            lines.append(unpack(data))
        assert [line.text for line in lines[:-1]] == [f"line {number}" for number in range(sent - 1)]
        assert (lines[-1].level, lines[-1].dropped) == (logging.WARNING, 1)
