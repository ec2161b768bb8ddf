"""What a worker that could not boot leaves for the mold."""

from __future__ import annotations

import os

from tunicorn.boot_report import read_report, write_report


def told(report: str) -> str | None:
    """What the mold reads of a report."""
    reading, writing = os.pipe()
    try:
        write_report(writing, report)
    finally:
        os.close(writing)
    return read_report(reading)


def test_a_report_comes_as_it_was_written() -> None:
    assert told("the reason: ☃\n  what to do") == "the reason: ☃\n  what to do"


def test_a_worker_that_has_written_nothing_has_no_report() -> None:
    assert told("") is None


def test_a_file_name_that_is_not_utf_8_is_shown_escaped() -> None:
    assert told("cannot read caf\udce9") == "cannot read caf\\udce9"


def test_a_report_that_no_pipe_holds_is_cut() -> None:
    found = told("x" * 1_000_000)
    assert found is not None
    assert 0 < len(found) < 64 * 1024
