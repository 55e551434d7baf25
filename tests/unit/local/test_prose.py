"""The sentences of the seeded account."""

import zlib
from random import Random

import pytest

from local import prose


@pytest.mark.parametrize("language", prose.LANGUAGES)
def test_every_language_forms_whole_sentences(language: str) -> None:
    for number in range(300):
        sentence = prose.sentence(Random(number), language)  # noqa: S311  not for secrets
        assert sentence
        assert "{" not in sentence


def test_comments_seldom_repeat_one_another() -> None:
    random = Random(7)  # noqa: S311  not for secrets
    comments = [prose.comment(random) for _ in range(5000)]
    assert len(set(comments)) > 4900


def test_comments_compress_like_what_people_write() -> None:
    random = Random(7)  # noqa: S311  not for secrets
    text = "\n".join(prose.comment(random) for _ in range(20_000)).encode()
    assert 2.5 < len(text) / len(zlib.compress(text, 6)) < 5.5
