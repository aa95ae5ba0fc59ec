"""What one mod may write into the supervisor's log: lines and bytes a second, and what is dropped is counted."""

import logging

import pytest
from fumehood.runner.modlog import ModLog
from fumehood.shared.messages import LogLine


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
    assert lines() == ["weather@1: x (7 lines dropped)"]
