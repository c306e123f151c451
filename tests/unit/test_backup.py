"""Does `tillroll restore` say what is left to do where it could not end?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services import backup
from services.embedded import ServerFailed
from services.settings import Settings


async def test_a_restore_that_stops_before_the_epoch_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Started as it is, the log would give positions to new events that clients know with others."""
    copy = tmp_path / "copy"
    (copy / "cluster").mkdir(parents=True)
    (copy / "password").write_text("p")
    (copy / "secrets").mkdir()

    async def put(*_: object) -> None: ...

    async def fail(*_: object, **__: Any) -> None:
        raise ServerFailed("the master key is another")

    monkeypatch.setattr(backup, "put_copy", put)
    monkeypatch.setattr(backup, "migrate_database", fail)
    with pytest.raises(ServerFailed):
        await backup.restore(Settings(data_dir=tmp_path / "var", database_url=None), copy)
    told = " ".join(capsys.readouterr().err.split())
    assert "no new epoch has begun" in told
    assert "tillroll migrate --new-epoch" in told
