"""The data folder: one process alone, or several that share it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from libs.common.errors import Unavailable
from libs.common.folder import hold_folder


def test_a_folder_is_made_for_its_owner_alone_and_held_once(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    with hold_folder(folder, exclusive=True):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with pytest.raises(Unavailable, match="in use by another process"), hold_folder(folder, exclusive=True):
            pass
    with hold_folder(folder, exclusive=True):
        pass


def test_those_that_share_a_folder_hold_it_together(tmp_path: Path) -> None:
    with hold_folder(tmp_path, exclusive=False):
        with hold_folder(tmp_path, exclusive=False):
            pass
        # The second one's leaving lets nobody in.
        with pytest.raises(Unavailable), hold_folder(tmp_path, exclusive=True):
            pass
    with hold_folder(tmp_path, exclusive=True):
        pass


@pytest.mark.parametrize(("held", "wanted"), [(True, True), (True, False), (False, True)])
def test_a_refusal_says_what_sharing_needs(held: bool, wanted: bool, tmp_path: Path) -> None:
    with (
        hold_folder(tmp_path, exclusive=held),
        pytest.raises(Unavailable, match="LLMCHAT_BUS_URL=redis://"),
        hold_folder(tmp_path, exclusive=wanted),
    ):
        pass


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(Unavailable, match="file/data"), hold_folder(tmp_path / "file" / "data", exclusive=True):
        pass
