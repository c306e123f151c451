"""Where SQL comes from: named and described statements in `.sql` files beside the code that runs them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import aiosql


def load_queries(package: str, *names: str) -> Any:
    """The statements of `package/sql/NAME` files; `queries.NAME.sql` is the text with %(name)s parameters."""
    folder = Path(str(files(package))) / "sql"
    text = "\n".join((folder / name).read_text() for name in names)
    return aiosql.from_str(text, "apsycopg", mandatory_parameters=False)
