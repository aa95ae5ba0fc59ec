"""Log lines: one per event, whatever is in it; readable by a person or a machine."""

import io
import json
import logging
import os
import re
import select
import subprocess
import sys

import pytest
from fumehood.runner import logs
from fumehood.runner.config import LogFormat, LogLevel
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def capture():
    """Set logging up on a stream; take it away again."""
    streams = []

    def capture(kind=LogFormat.TEXT, level=LogLevel.INFO):
        streams.append(io.StringIO())
        logs.set_up(kind, level, streams[-1])
        return streams[-1]

    yield capture
    logger = logging.getLogger(logs.LOGGER)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


log = logging.getLogger("fumehood.test")


def test_text_is_time_level_logger_message_and_what_it_is_about(capture):
    out = capture()
    log.info("went live", extra={"mod": "weather", "version": 7, "note": "two words", "none": ""})
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO    fumehood\.test: went live "
        r'mod=weather version=7 note="two words" none=""\n',
        out.getvalue(),
    )


def test_json_is_one_object_a_line(capture):
    out = capture(LogFormat.JSON)
    log.warning("rolled %s", "back", extra={"mod": "a/x", "stages": {"import": 3.5}, "odd": {1, 2}})
    line = json.loads(out.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "warning",
        "logger": "fumehood.test",
        "message": "rolled back",
        "mod": "a/x",
        "stages": {"import": 3.5},
        "odd": "{1, 2}",
    }


def test_extra_cannot_pose_as_the_line_itself(capture):
    out = capture(LogFormat.JSON)
    log.info("true", extra={"time": "never", "level": "none", "logger": "else"})
    line = json.loads(out.getvalue())
    assert (line["level"], line["logger"]) == ("info", "fumehood.test")
    assert line["time"] != "never"


@pytest.mark.parametrize("kind", LogFormat)
@given(st.text())
def test_any_text_is_one_line_that_cannot_steer_a_terminal(kind, text):
    record = logging.makeLogRecord({"name": "fumehood.test", "levelname": "INFO", "msg": "%s", "args": (text,)})
    record.mod = text
    line = (logs.JsonFormatter() if kind is LogFormat.JSON else logs.TextFormatter()).format(record)
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    if kind is LogFormat.JSON:
        assert json.loads(line)["message"] == text


def test_an_exception_stays_on_its_line(capture):
    for kind in LogFormat:
        out = capture(kind)
        try:
            raise ValueError("two\nlines")
        except ValueError:
            log.exception("failed")
        assert out.getvalue().count("\n") == 1
        assert "ValueError" in out.getvalue()


def test_a_diagnostic_is_lines_below_for_a_person_and_fields_for_a_machine(capture):
    for kind in LogFormat:
        out = capture(kind)
        log.warning("a@2 refused", extra={"told": {"mod": "a", "line": 3}, "below": ["x = (", "    ^\x1b"]})
        if kind is LogFormat.TEXT:
            assert out.getvalue().endswith("a@2 refused\n    x = (\n        ^\\x1b\n")
        else:
            line = json.loads(out.getvalue())
            assert (line["message"], line["mod"], line["line"]) == ("a@2 refused", "a", 3)
            assert "below" not in line


def test_the_level_holds_and_a_second_set_up_replaces_the_first(capture):
    first = capture(level=LogLevel.WARNING)
    log.info("quiet")
    second = capture(level=LogLevel.DEBUG)
    log.debug("loud")
    assert first.getvalue() == ""
    assert second.getvalue().count("loud") == 1


def test_a_reader_that_has_gone_stops_nothing(capture, capsys):
    capture().close()
    log.info("into the void")
    assert capsys.readouterr().err == ""


@pytest.fixture
def pipe():
    """A pipe, and a stream that writes into it; the thread that may be stuck there is freed."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with os.fdopen(writing, "w") as stream:
        yield reading, stream
        os.close(reading)


def drained(fd: int, until: str) -> list[str]:
    """Read until a line with `until` in it has come."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    data = b""
    while until.encode() not in data or not data.endswith(b"\n"):
        assert poll.poll(20_000), f"nothing more comes: {data[-200:]!r}"
        data += os.read(fd, 1 << 16)
    return data.decode().splitlines()


@pytest.mark.parametrize("kind", LogFormat)
def test_a_reader_that_does_not_read_stops_nothing_and_is_told_what_it_missed(capture, pipe, kind):
    """stderr may be a pipe that nobody reads: written directly, the first 64 KiB stopped the supervisor."""
    capture()
    reading, stream = pipe
    logs.set_up(kind, LogLevel.INFO, stream)
    for number in range(2_000):
        log.info("line %d %s", number, "x" * 1_000)
    lines = drained(reading, "line 800 ")
    log.info("the last")
    lines += drained(reading, "the last")
    read = [int(found[1]) for line in lines if (found := re.search(r"line (\d+) x{1000}\b", line))]
    told = [int(found[1]) for line in lines if (found := re.search(r"(\d+) log lines were dropped", line))]
    assert read == sorted(read), "in order, and whole"
    assert told
    assert len(read) + sum(told) == 2_000
    assert len(lines) == len(read) + len(told) + 1


def test_a_pipe_that_is_never_read_does_not_keep_the_process_from_its_end():
    code = """if True:
        import logging
        from fumehood.runner import logs
        from fumehood.runner.config import LogFormat, LogLevel
        logs.set_up(LogFormat.TEXT, LogLevel.INFO)
        for n in range(1000): logging.getLogger("fumehood").info("x" * 1000)
        print("done", flush=True)
        """
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"done\n"
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


def test_the_last_lines_are_written_before_the_process_ends():
    code = """if True:
        import logging, sys
        from fumehood.runner import logs
        from fumehood.runner.config import LogFormat, LogLevel
        logs.set_up(LogFormat.TEXT, LogLevel.INFO)
        for n in range(500): logging.getLogger("fumehood").info("line %d", n)
        sys.exit(7)
        """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert done.returncode == 7
    assert [line.rpartition(" ")[2] for line in done.stderr.splitlines()] == [str(n) for n in range(500)]
