"""Does `docs/adding-a-context.md` add a context? Its very blocks do, in a copy of the tree that is started.

In it runs `tillroll up`: Postgres, NATS, the API and all followers. The last block of the page is what a shop
does over HTTP: a command in, the agent reacts, the read model shows it; and `verify` has nothing to say.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from services.runfile import Run, read_run
from tests.integration.system import system, tillroll, token_of_admin
from tests.patience import HANGS

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs/adding-a-context.md").read_text()
FOLDERS = ("domain", "eventstore", "commands", "projections", "queries", "services", "tests")
FILE = re.compile(r"^`([\w/]+\.(?:py|sql))`:\n\n```(?:python|sql)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"^```diff\n\+(.*)$", re.MULTILINE)
IN_USE = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree with the page's context: its files, and its one line."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    if (
        ROOT / ".mypy_cache"
    ).is_dir():  # what was found of these files is found of their copies, too: a minute
        shutil.copytree(ROOT / ".mypy_cache", tree / ".mypy_cache")
    files = FILE.findall(DOC)
    for name, text in files:
        assert not (tree / name).exists()
        (tree / name).write_text(text)
    assert len(files) == 8
    (line,) = LINE.findall(DOC)
    contexts = tree / "domain/contexts.py"
    before, end, after = contexts.read_text().partition("\n)\n")
    contexts.write_text(f"{before}\n{line}{end}{after}")
    return tree


def run(tree: Path, *arguments: str) -> str:
    """With the copy's modules, and the tools that stand beside this Python."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PYTHONPATH": str(tree), "PATH": path}
    done = subprocess.run(
        arguments,
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def running(data_dir: Path) -> Run:
    found = read_run(data_dir)
    assert found
    return found


def owner_of_m1(environment: dict[str, str], api: str) -> str:
    """The access token of who owns a merchant that is registered."""
    with httpx.Client(base_url=api, timeout=HANGS) as client:
        admin = {"Authorization": f"Bearer {token_of_admin(environment, client)}", "Tillroll-Merchant": "m1"}
        assert client.post("/v1/merchant", json={}, headers=admin).status_code == 201
        address = ("owner@example.com", "--role", "owner", "--merchant", "m1", "--generate-password")
        code, added = tillroll(environment, "user", "add", *address)
        assert code == 0, added
        body = {"email": added["email"], "password": added["password"]}
        token: str = client.post("/v1/auth/sign-in", json=body).json()["access_token"]
        return token


def test_its_rules_hold_and_it_reads_like_ours(tree: Path) -> None:
    written = [name for name, _ in FILE.findall(DOC) if name.endswith(".py")]
    run(tree, "ruff", "check", *written)
    run(tree, "ruff", "format", "--check", *written)
    run(tree, "mypy", *(name for name in written if not name.startswith("tests/")))
    run(tree, "lint-imports")
    tests = ("tests/unit/test_gift_wrap.py", "tests/unit/test_contexts.py", "tests/unit/test_openapi.py")
    told = run(tree, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert re.search(r"\d+ passed", told)


def test_a_command_goes_in_its_agent_reacts_and_its_read_model_shows_it(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = IN_USE.findall(DOC)
    monkeypatch.setenv("PYTHONPATH", str(tree))
    monkeypatch.chdir(tree)
    with system(tmp_path) as environment:
        api = f"http://127.0.0.1:{running(tmp_path).settings['api_port']}"
        said = run(tree, "env", f"API={api}", f"TOKEN={owner_of_m1(environment, api)}", "bash", "-euc", block)
        *_, shown, refused = map(json.loads, said.splitlines())
        assert [(each["order_id"], each["paper"]) for each in shown["items"]] == [("o-7", "stars")]
        assert (refused["status"], refused["rule"]) == (409, "chosen_before_cut")
        assert "stars" in refused["detail"]
        code, verdict = tillroll(environment, "verify")
        assert code == 0, verdict
        code, why = tillroll(environment, "why", "order", "o-7", "--merchant", "m1")
        assert code == 0, why
        assert "GiftWrapCut paper stars" in json.dumps(why), why
