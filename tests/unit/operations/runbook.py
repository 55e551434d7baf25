"""The runbook and the README as programs read them: sections, links, commands that are to be pasted."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.unit.infra.stack import ROOT

RUNBOOK = ROOT / "docs" / "operations.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_REAL = ("cat", "date", "sed")
# Takes note of how it was called, and answers with a word.
_FAKE = """#!{python}
import json, sys
with open({log!r}, "a") as log:
    print(json.dumps(sys.argv[1:]), file=log)
print("WORD")
"""


def sections(page: Path) -> dict[str, str]:
    """The text under each heading up to the next one, by the anchor that GitHub gives the heading."""
    # A comment in a block of commands is no heading.
    text = _FENCE.sub(lambda fence: re.sub(r"^#", " #", fence[0], flags=re.MULTILINE), page.read_text())
    heads = [*_HEADING.finditer(text)]
    ends = [*(head.start() for head in heads[1:]), len(text)]
    return {
        re.sub(r"[^\w\- ]", "", head[1].lower()).replace(" ", "-"): text[head.end() : end]
        for head, end in zip(heads, ends, strict=True)
    }


def links(page: Path) -> list[str]:
    """Those to files and sections of ours."""
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def shell_blocks(page: Path) -> list[str]:
    return [block for language, block in _FENCE.findall(page.read_text()) if language == "sh"]


def aws_calls(page: Path) -> list[list[str]]:
    """How a shell calls the AWS CLI that is given all the page's blocks, and the calls in its sentences.

    Nothing else is there for that shell: no other command of the page is carried out.
    """
    sentences = re.findall(r"`(aws [^`]+)`", _FENCE.sub("", page.read_text()))
    script = "\n".join([*shell_blocks(page), *(" ".join(one.split()) for one in sentences)])
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "calls"
        log.touch()
        fake = Path(folder) / "aws"
        fake.write_text(_FAKE.format(python=sys.executable, log=str(log)))
        fake.chmod(0o755)
        for name in _REAL:
            (Path(folder) / name).symlink_to(str(shutil.which(name)))
        subprocess.run(
            [str(shutil.which("bash"))],
            input=script,
            text=True,
            env={"PATH": folder, "TOPIC": "WORD"},
            capture_output=True,
            check=False,
            cwd=folder,
            timeout=120,
        )
        return [json.loads(line) for line in log.read_text().splitlines()]
