"""The data folder: one process at a time."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from libs.common.errors import Unavailable
from libs.common.folder import hold_folder


def test_a_folder_is_made_for_its_owner_alone_and_held_once(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    with hold_folder(folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with pytest.raises(Unavailable, match="in use by another process"), hold_folder(folder):
            pass
    with hold_folder(folder):
        pass


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(Unavailable, match="file/data"), hold_folder(tmp_path / "file" / "data"):
        pass
