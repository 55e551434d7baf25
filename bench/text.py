"""Comments for the benchmark, which compress like what people write: by deflate to a third or so.

The demo's sentences come from a small grammar, and a million of them repeat it: they compress to a fifth. So
words are made up here, thousands per language and as often as Zipf's law says, by going from letter to
letter as the words of `local.grammar` do. Nobody reads them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from random import Random

from local import prose
from local.grammar import GRAMMAR

WORDS = 6_000
LANGUAGES = ("en", "de", "fr", "pl", "ru", "el", "ar", "ja", "zh")
_WEIGHTS = (66, 10, 8, 4, 4, 2, 2, 2, 2)
_UNSPACED = {"ja", "zh"}
_PLACEHOLDER = re.compile(r"\{[a-z]\}")
_BEGIN, _END = "^", "$"


@dataclass(frozen=True)
class Vocabulary:
    words: tuple[str, ...]
    """The most frequent first."""
    sums: tuple[float, ...]
    """Running sums of the frequencies."""

    def draw(self, random: Random, count: int) -> list[str]:
        return random.choices(self.words, cum_weights=self.sums, k=count)


@cache
def vocabulary(language: str) -> Vocabulary:
    random = Random(f"vocabulary {language}")  # noqa: S311  not for secrets
    parts = [_PLACEHOLDER.sub(" ", text) for part in GRAMMAR[language] for text in part]
    if language in _UNSPACED:
        letters = sorted({letter for text in parts for letter in text if letter.isalpha()})
        words = {"".join(random.choices(letters, k=random.choice((1, 2, 2, 3)))) for _ in range(WORDS)}
    else:
        known = sorted({word for text in parts for word in re.findall(r"[^\W\d_]+", text.lower())})
        if language == "en":
            known = sorted({*known, *prose.ADJECTIVES, *prose.NOUNS, *prose.VERBS})
        words = _made_up(random, known)
    # Frequent words are short ones. Sorted twice, since a set has no order for the generator to follow.
    ordered = sorted(sorted(words), key=lambda word: (len(word) * random.uniform(0.5, 1.5), word))
    return Vocabulary(tuple(ordered), tuple(accumulate(1 / (rank + 2.7) for rank in range(len(ordered)))))


def _made_up(random: Random, known: list[str]) -> set[str]:
    following: dict[str, list[str]] = defaultdict(list)
    for word in known:
        spelled = f"{_BEGIN}{word}{_END}"
        for place in range(1, len(spelled)):
            following[spelled[max(0, place - 2) : place]].append(spelled[place])
    words = set(known)
    for _ in range(WORDS * 3):  # many come twice
        word = _BEGIN
        while word[-1] != _END and len(word) < 14:
            word += random.choice(following[word[-2:]])
        words.add(word.strip(_BEGIN + _END))
        if len(words) >= WORDS:
            break
    return words


def sentence(random: Random, language: str | None = None) -> str:
    """Three to eighteen words, and now and then a number, a size, a colour or somebody's name."""
    language = language or random.choices(LANGUAGES, _WEIGHTS)[0]
    words = vocabulary(language).draw(random, random.randint(3, 18))
    chance = random.random()
    if chance < 0.4:
        words.insert(random.randrange(len(words)), _detail(random, chance))
    if len(words) > 8:
        words[5] += ","
    text = ("" if language in _UNSPACED else " ").join(words)
    return text[0].upper() + text[1:] + random.choice((".", ".", ".", ".", "?", "!", "…"))


def _detail(random: Random, chance: float) -> str:
    if chance < 0.05:
        return f"#{random.randrange(1 << 24):06X}"
    if chance < 0.1:
        return f"{random.randint(1, 420)}×{random.randint(1, 297)} mm"
    if chance < 0.15:
        return f'"{prose.title(random)}"'
    if chance < 0.2:
        return f"{random.choice(('IMG', 'DSC', 'Layout', 'Scan'))}_{random.randint(1000, 99999)}.tif"
    if chance < 0.25:
        return f"{random.randint(1, 99_999) / 100:.2f} €"
    if chance < 0.3:
        return f"{random.randint(0, 23)}:{random.randint(0, 59):02d}"
    return prose.name(random)


def comment(random: Random) -> str:
    """One to eight sentences of one language, some on lines of their own."""
    language = random.choices(LANGUAGES, _WEIGHTS)[0]
    count = random.choices((1, 2, 3, 5, 8), (38, 30, 18, 10, 4))[0]
    return random.choice((" ", " ", " ", "\n")).join([sentence(random, language) for _ in range(count)])
