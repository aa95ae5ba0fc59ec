"""What one mod may write into the supervisor's log: lines and bytes a second, and what is dropped is counted."""

import json
import logging

import pytest
from fumehood.runner import modlog
from fumehood.runner.logs import JsonFormatter, TextFormatter
from fumehood.runner.modlog import ModLog
from fumehood.shared.messages import Diagnostic, LogLine


@pytest.fixture
def lines(caplog):
    """The lines written so far."""
    caplog.set_level(logging.DEBUG, "fumehood.mods")
    return lambda: [record.getMessage() for record in caplog.records]


def test_lines_over_the_rate_are_dropped_and_counted(lines):
    log = ModLog("weather", 2.0, 1e6)
    for number in range(5):
        log.said(1, LogLine(logging.INFO, f"line {number}", 0))
    assert lines() == ["weather@1: line 0", "weather@1: line 1"]


def test_bytes_over_the_rate_are_dropped(lines):
    log = ModLog("weather", 1e6, 1000.0)
    for number in range(5):
        log.said(1, LogLine(logging.INFO, f"{number}" * 400, 0))
    assert [line[11] for line in lines()] == ["0", "1"]


def test_a_line_longer_than_a_second_s_worth_passes_alone(lines):
    log = ModLog("weather", 1e6, 100.0)
    log.said(1, LogLine(logging.INFO, "x" * 400, 0))
    log.said(1, LogLine(logging.INFO, "y", 0))
    assert len(lines()) == 1


@pytest.mark.parametrize("limits", [(0.0, 100.0), (100.0, 0.0)])
def test_none_at_all_is_a_rate(lines, limits):
    ModLog("weather", *limits).said(1, LogLine(logging.ERROR, "x", 0))
    assert lines() == []


def test_what_the_worker_dropped_is_told_with_the_next_line(lines):
    ModLog("weather", 10.0, 1000.0).said(1, LogLine(logging.INFO, "x", 7))
    assert lines() == ["weather@1: x (7 lines dropped, limit: log_lines = 10)"]


HOSTILE = {"escapes": "\U000e0001" * 4000, "marks": "\u0488" * 4000, "quotes": '"\\' * 2000, "wide": "天" * 4000}


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_counted_is_what_is_written(caplog, formatter, text):
    """Escapes, and JSON's own on top of them, are paid for."""
    caplog.set_level(logging.DEBUG, "fumehood.mods")
    log = ModLog("m", 1e6, 20_000.0)
    for _ in range(100):
        log.said(1, LogLine(logging.INFO, text, 0))
    written = [formatter.format(record) for record in caplog.records]
    assert written
    assert sum(len(line.encode()) - 150 for line in written) <= 21_000, "but for the time and the mod's name"
    if isinstance(formatter, JsonFormatter):
        assert all(json.loads(line)["message"].startswith("m@1: ") for line in written)


def test_a_line_that_will_be_dropped_is_not_escaped_first(lines, monkeypatch):
    escaped = []
    monkeypatch.setattr(modlog, "escape", lambda text: escaped.append(text) or text)
    log = ModLog("weather", 1e6, 1000.0)
    fault = Diagnostic("run", "K", "x" * 600)
    for _ in range(50):
        log.said(1, LogLine(logging.INFO, "x" * 600, 0))
        log.raised(1, "event", fault, 1)
    assert len(lines()) == 1
    assert len(escaped) == 1
