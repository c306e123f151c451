"""Can somebody who has nothing but our OpenAPI document trade with us, by a client that is generated from it?

`openapi-python-client` makes the client as `docs/api.md` says; `tests/client/` uses it, from
`flow.py` on.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from services.runfile import read_run
from tests.integration.api_client import app_in_memory
from tests.integration.system import system, tillroll, wait
from tests.patience import HANGS

ROOT = Path(__file__).parents[2]
FLOW = "tests.client.flow"
MODULES = sorted((ROOT / "tests/client").glob("*.py"))
PASSED_ON = ("details", "metadata", "data", "state", "key")
"""What is stored about an event, or is of a table that the request names: it has no one shape."""

pytestmark = pytest.mark.slow


def run(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(each) for each in command],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )


def generated(document: bytes, directory: Path) -> Path:
    """Where the package `tillroll_client` is, made of this document by the command of the docs."""
    (directory / "openapi.json").write_bytes(document)
    page = (ROOT / "docs/api.md").read_text()
    (line,) = re.findall(r"^openapi-python-client generate .*$", page, re.MULTILINE)
    words = [word.replace("$API/openapi.json", str(directory / "openapi.json")) for word in line.split()]
    words[words.index("--url")] = "--path"
    tool = Path(sys.executable).parent / words[0]
    made = subprocess.run(
        [str(tool), *words[1:], "--output-path", str(directory / "tillroll_client"), "--fail-on-warning"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )
    assert made.returncode == 0, made.stdout[-3000:] + made.stderr[-3000:]
    return directory


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generated(orjson.dumps(app_in_memory().openapi()), tmp_path_factory.mktemp("client"))


def test_every_operation_is_there(client: Path) -> None:
    paths = app_in_memory().openapi()["paths"].values()
    operations = {operation["operationId"] for path in paths for operation in path.values()}
    made = {path.stem for path in (client / "tillroll_client/api").glob("*/*.py")} - {"__init__"}
    assert made == operations


def untyped(where: str, schema: Any) -> list[str]:
    """Objects without fields: of such a one a generated client knows nothing."""
    if isinstance(schema, list):
        return [each for part in schema for each in untyped(where, part)]
    if not isinstance(schema, dict):
        return []
    bare = schema.get("type") == "object" and not schema.get("properties")
    found = [where] if bare and schema.get("additionalProperties") in (True, None) else []
    inner = {name: part for name, part in schema.items() if name not in {"examples", "example"}}
    return found + [each for name, part in inner.items() for each in untyped(f"{where}/{name}", part)]


def test_every_object_has_fields() -> None:
    schemas = app_in_memory().openapi()["components"]["schemas"]
    bare = [where for name, schema in schemas.items() for where in untyped(name, schema)]
    own = [where for where in bare if not where.startswith(("Rows", "Changes", "PageOf"))]
    assert [where for where in own if where.split("/")[2] not in PASSED_ON] == []


def test_no_two_models_share_a_name() -> None:
    schemas = app_in_memory().openapi()["components"]["schemas"]
    assert [name for name in schemas if "__" in name] == [], "these are told apart by their modules"


def test_its_use_is_checked_by_types(client: Path, tmp_path: Path) -> None:
    arguments = ("--strict", "--config-file=", "--follow-imports=silent", f"--cache-dir={tmp_path}")
    checked = run(sys.executable, "-m", "mypy", *arguments, *MODULES, MYPYPATH=str(client))
    assert checked.returncode == 0, checked.stdout


def is_up(address: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{address}/health").is_success
    return False


def test_it_drives_the_whole_flow(tmp_path: Path) -> None:
    with system(tmp_path) as environment:
        found = read_run(tmp_path)
        assert found is not None
        address = f"http://127.0.0.1:{found.settings['api_port']}"
        wait(lambda: is_up(address))
        client = generated(httpx.get(f"{address}/openapi.json", timeout=HANGS).content, tmp_path)
        options = ("--role", "admin", "--generate-password")
        code, admin = tillroll(environment, "user", "add", "admin@example.com", *options)
        assert code == 0
        worlds = [str(found.settings[f"{kind}_url"]) for kind in ("payment", "carrier")]
        arguments = (address, admin["email"], admin["password"], *worlds)
        path = os.pathsep.join((str(client), str(ROOT)))
        traded = run(sys.executable, "-m", FLOW, *arguments, PYTHONPATH=path)
        assert traded.returncode == 0, traded.stdout + traded.stderr
        assert "of two disputes one is won" in traded.stdout
        code, verdict = tillroll(environment, "verify", "--books")
        assert (code, verdict["problems"]) == (0, [])
