"""The benchmark's comments compress like what people write; the demo's would flatter everybody's deflate."""

from __future__ import annotations

import subprocess
import sys
import zlib
from datetime import UTC, datetime, timedelta
from random import Random

from bench import text
from local import prose


def test_a_csv_of_comments_compresses_to_a_third_or_so() -> None:
    random = Random(7)  # noqa: S311  not for secrets
    day = datetime(2026, 1, 1, tzinfo=UTC)
    lines = [
        f"{700_000 + number},{100_200 + number // 50},1,{random.randint(1, 64)},{random.randint(101, 120)},"
        f'{prose.name(random)},"{text.comment(random)}",'
        f"{(day + timedelta(seconds=random.randint(0, 30_000_000))).isoformat()},{random.randint(0, 4)}\r\n"
        for number in range(20_000)
    ]
    content = "".join(lines).encode()
    assert 2.3 < len(content) / len(zlib.compress(content, 6)) < 3


def test_comments_do_not_repeat_one_another() -> None:
    random = Random(7)  # noqa: S311  not for secrets
    comments = [text.comment(random) for _ in range(5000)]
    assert len(set(comments)) == 5000


def test_the_same_generator_gives_the_same_comments_in_every_process() -> None:
    program = "from random import Random; from bench import text; print(ascii(text.comment(Random(7))))"
    first, second = (
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2")
    )
    assert len(first) > 10
    assert first == second
