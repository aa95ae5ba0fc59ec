"""The end of a supervisor that this process started, awaited in an event loop without a thread."""

import asyncio
import os
import subprocess

from .launch import END_PATIENCE


async def ended(process: "subprocess.Popen[bytes]") -> None:
    """Reap the supervisor; kill it, and with it everything below it, when it does not end by itself, or this is
    cancelled."""
    try:
        if process.poll() is None:
            loop = asyncio.get_running_loop()
            over: asyncio.Future[None] = loop.create_future()
            fd = os.pidfd_open(process.pid)
            loop.add_reader(fd, _told, over)
            try:
                async with asyncio.timeout(END_PATIENCE):
                    await over
            except TimeoutError:
                pass
            finally:
                loop.remove_reader(fd)
                os.close(fd)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _told(over: "asyncio.Future[None]") -> None:
    if not over.done():
        over.set_result(None)
