"""Progress: one line for each finished piece of work, on standard error."""

from __future__ import annotations

import pytest

from hub.progress import line, showing
from hub.walk import STEPS, Event

CHECKED = Event("check", "public_security/registered_resident", 60_000, 1.25)


def test_line_says_which_step_what_how_many_and_how_long() -> None:
    assert " ".join(line(CHECKED).split()) == "3 check 校验 public_security/registered_resident 60,000 rows 1.2 s"


def test_steps_are_numbered_in_the_order_of_the_walk() -> None:
    assert [line(Event(step.name, "", 0, 0.0)).split()[:2] for step in STEPS] == [
        [str(number), step.name] for number, step in enumerate(STEPS, 1)
    ]


def test_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with showing() as notify:
        notify(CHECKED)
    shown = capsys.readouterr()
    assert line(CHECKED).rstrip() in shown.err
    assert shown.out == "", "standard output is for what programs read"


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with showing(quiet=True) as notify:
        notify(CHECKED)
    shown = capsys.readouterr()
    assert shown.out + shown.err == ""
