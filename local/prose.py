"""What people write on proofs: sentences from a small grammar, in nine languages and six scripts.

Varied enough to be compressed like real comments (no line is a repetition of another), and the same for
the same random generator.
"""

from __future__ import annotations

from random import Random

from local.grammar import GRAMMAR


def words(*lines: str) -> list[str]:
    return " ".join(lines).split()


LANGUAGES = tuple(GRAMMAR)
_WEIGHTS = (60, 8, 6, 4, 6, 3, 4, 5, 4)
ADJECTIVES = words(
    "old new small large bright dark final first second upper lower printed signed missing broken",
    "sharp soft narrow wide warm cold formal friendly legal local global heavy light rough clean",
    "busy quiet early late",
)
NOUNS = words(
    "agency deadline client printer supplier version archive column margin typeface contrast",
    "background shadow photographer translation warranty campaign brand guideline retailer packaging",
    "label barcode ingredient illustration storyboard soundtrack subtitle budget invoice schedule",
    "department manager lawyer designer reviewer signature draft template paragraph bullet heading",
    "sample envelope window poster shelf banner",
)
VERBS = words(
    "covers replaces repeats contradicts explains follows hides blocks supports delays changes",
    "matches needs misses touches crosses weakens improves limits frames mentions ignores confirms",
    "cuts fills",
)
LINKS = ("because", "although", "while", "unless", "so", "but", "and", "until", "since", "where")

_EMOJI = (" 👍", " 🎉", " 🙏🏽", " 👩‍💻", " ❤️", " 🇳🇱", " 😅")

FIRST_NAMES = (
    "Anna",
    "Bo",
    "Chloé",
    "Dmitri",
    "Eleni",
    "Fátima",
    "Grzegorz",
    "Hana",
    "Ian",
    "Jürgen",
    "Katarzyna",
    "Lúcia",
    "Małgorzata",
    "Noor",
    "Øyvind",
    "Priya",
    "Quentin",
    "René",
    "Søren",
    "Thị",
    "Ursula",
    "Zoë",
    "Анна",
    "Ольга",
    "Νίκος",
    "محمد",
    "美咲",
    "伟",
)
LAST_NAMES = (
    "Andersson",
    "Brûlé",
    "Çelik",
    "d'Arcy",
    "Économou",
    "Fitzgerald-Moore",
    "García",
    "Højgaard",
    "Ivanova",
    "Jansen",
    "Kowalczyk",
    "Łukasik",
    "Müller",
    "Nakamura",
    "O'Brien",
    "Petrović",
    "Quist",
    "Rossi",
    "Šimek",
    "Tremblay",
    "van der Berg",
    "Wójcik",
    "Петров",
    "Παπάς",
    "العلي",
    "田中",
    "王",
)
COMPANIES = (
    "Northwind Print",
    "Böhm & Söhne GmbH",
    "Atelier Lumière",
    "Studio Zet B.V.",
    "Kraków Press",
    "Ink, Ltd.",
    "Печатный двор",
    "日本広告社",
    'The "Good" Agency',
    "مطبعة النور",
)


def sentence(random: Random, language: str | None = None) -> str:
    """One sentence; in a language by the weights of life where none is given."""
    language = language or random.choices(LANGUAGES, _WEIGHTS)[0]
    text = "".join(random.choice(part) for part in GRAMMAR[language])
    return text.format(
        n=random.randint(2, 48),
        t=f"{random.randint(0, 9)}:{random.randint(0, 59):02d}",
        c=f"{random.randrange(1 << 24):06X}",
        y=random.randint(2009, 2026),
        p=random.choice(FIRST_NAMES),
    )


def remark(random: Random) -> str:
    """An English half-sentence of single words: what keeps comments from compressing too well."""
    words = [
        random.choice(LINKS),
        random.choice(("the", "our", "their", "this", "your")),
        random.choice(ADJECTIVES),
        random.choice(NOUNS),
        random.choice(VERBS),
        random.choice(("a", "the", "every", "any", "that")),
        random.choice(NOUNS),
        random.choice(("of", "in", "near", "from", "before", "after", "for")),
        random.choice(("the", "our", "their")),
        random.choice(ADJECTIVES),
        random.choice(NOUNS),
    ]
    return " ".join(words)


def comment(random: Random) -> str:
    """One to five sentences of one language, some on lines of their own, some with an emoji."""
    language = random.choices(LANGUAGES, _WEIGHTS)[0]
    sentences = [sentence(random, language) for _ in range(random.choices((1, 2, 3, 5), (50, 30, 15, 5))[0])]
    if language == "en":
        # Most of what people write is in no grammar's list.
        sentences = [f"{text} {remark(random).capitalize()}, {remark(random)}." for text in sentences]
    text = random.choice((" ", " ", " ", "\n")).join(sentences)
    return text + random.choice(_EMOJI) if random.random() < 0.06 else text


def name(random: Random) -> str:
    return f"{random.choice(FIRST_NAMES)} {random.choice(LAST_NAMES)}"


def title(random: Random) -> str:
    """What a proof is called."""
    thing = random.choice(
        (
            "Brochure",
            "Katalog",
            "Affiche",
            "Packaging",
            "Web banner",
            "Каталог",
            "カタログ",
            "Video",
            "Annual report",
            "Menükarte",
            "Flyer",
            "Newsletter",
        )
    )
    season = random.choice(("spring", "été", "Herbst", "winter", "Q1", "Q3", "春", "зима"))
    return f"{thing} {season} {random.randint(2009, 2026)} {random.choice('ABCDEFGH')}{random.randint(1, 99)}"
