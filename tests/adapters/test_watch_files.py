"""What a watch leaves on disk is read back whole or not at all, and by nobody else."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from adapters.watch_files import WatchFiles, watch_files

ARRAYS = {"samples": np.array([[1.5, np.nan], [2.5, -0.0]]), "file": np.array(["IBM", "BAC"]), "none": np.zeros((0, 3))}
STANDING = [["spread-warning", "IBM", {"since": 1_700_000_000_000_000}]]


def test_a_status_is_its_owners_and_numbers_that_are_not_known_are_null(tmp_path: Path):
    files = WatchFiles(tmp_path, "paper")
    before = files.read_status(), files.heard_at()

    files.write_status({"ticks": np.int64(3), "own": {"equity": math.nan}, "symbols": [{"last": np.float64("inf")}]})

    assert before == (None, None)
    assert json.loads((tmp_path / "watch" / "paper.json").read_text()) == files.read_status()
    assert files.read_status() == {"ticks": 3, "own": {"equity": None}, "symbols": [{"last": None}]}
    assert files.heard_at() is not None
    assert [p.stat().st_mode & 0o777 for p in (files.status_path, files.status_path.parent)] == [0o600, 0o700]
    assert [each.account for each in watch_files(tmp_path)] == ["paper"]
    files.status_path.write_text('{"ticks": ')
    assert files.read_status() is None


def test_a_checkpoint_is_read_back_to_the_last_bit_and_by_numpy_too(tmp_path: Path):
    files = WatchFiles(tmp_path, "paper")
    assert files.read_checkpoint() is None

    files.write_checkpoint({"samples": np.ones(1)}, [])
    files.write_checkpoint(ARRAYS, STANDING)
    read = files.read_checkpoint()

    assert read is not None
    arrays, standing = read
    assert standing == STANDING
    assert {name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays.items()} == {
        name: (a.dtype, a.shape, a.tobytes()) for name, a in ARRAYS.items()
    }
    with np.load(tmp_path / "watch" / "paper.npz", allow_pickle=False) as file:
        assert file["array.file"].tolist() == ["IBM", "BAC"]
    assert [path.name for path in (tmp_path / "watch").iterdir()] == ["paper.npz"]
    assert files.checkpoint_path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", ["cut", "empty", "bit"])
def test_a_damaged_checkpoint_is_set_aside_and_never_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
):
    files = WatchFiles(tmp_path, "paper")
    files.write_checkpoint(ARRAYS, STANDING)
    good = files.checkpoint_path.read_bytes()
    flipped = bytes([*good[:200], good[200] ^ 1, *good[201:]])
    damaged = {"cut": good[:-1], "empty": b"", "bit": flipped}[damage]
    files.checkpoint_path.write_bytes(damaged)

    read = files.read_checkpoint()

    assert read is None
    assert (tmp_path / "watch" / "paper.npz.damaged").read_bytes() == damaged
    assert not files.checkpoint_path.exists()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_an_object_that_needs_pickle_is_no_part_of_a_checkpoint(tmp_path: Path):
    files = WatchFiles(tmp_path, "paper")

    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        files.write_checkpoint({"objects": np.array([{}], dtype=object)}, [])

    assert not files.checkpoint_path.exists()
