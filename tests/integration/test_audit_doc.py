"""Does what an auditor is told to type do what we say, from the first line of the page to the last?"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.test_readme import BLOCK, ROOT, demo
from tests.patience import HANGS

pytestmark = pytest.mark.slow
PAGE = ROOT / "docs/audit.md"


def test_the_page_for_auditors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = BLOCK.findall(PAGE.read_text())
    assert len(blocks) >= 7
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with demo(tmp_path, tmp_path / "demo.log"):
        done = subprocess.run(
            ["bash", "-xeuo", "pipefail", "-c", "exec 2>&1\n" + "".join(blocks)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=HANGS,
            check=False,
        )
    said = done.stdout
    assert done.returncode == 0, said
    (size,) = re.findall(r"^(\d+)$", (tmp_path / "evidence/monday.checkpoint").read_text(), re.MULTILINE)
    assert f"✓ {size} events are as they were signed" in said
    assert len(re.findall(r"✓ [1-9]\d* events? (?:is|are) as (?:it was|they were) signed", said)) == 5
    assert "it only grew" in said
    assert int(size) > 100
    assert "OrderPlaced" in said
    assert "not there yet" not in said
    assert "✓ adds up: the events make" in said
    assert "events, to be kept from now on" in said


def test_every_link_of_the_page_leads_somewhere() -> None:
    text = PAGE.read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        file, _, anchor = target.partition("#")
        page = PAGE.parent / file if file else PAGE
        assert page.exists(), target
        headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
        slugs = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in slugs, target
