"""What `make bench` says of numbers with which it could not do anything for minutes."""

from __future__ import annotations

import sys

import pytest

from bench import __main__


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--rounds", "x"], ["--sizes", "5", "-1"]])
def test_a_number_below_one_is_refused_at_once(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def begin(*_: object, **__: object) -> None:
        raise AssertionError("it began")

    monkeypatch.setattr(__main__, "_measured", begin)
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    with pytest.raises(SystemExit):
        __main__.main()
    assert f"{arguments[-1]} is not a number from 1 on" in capsys.readouterr().err
