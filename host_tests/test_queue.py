"""The queue's length costs no memory, and no more than a listing before the first byte."""

import pytest
from conftest import ROOT, Board

from tools import micropython

SCRIPT = ROOT / "host_tests/scripts/queue_scale.py"


ENOUGH = 50


def measure(cloud, folder, count):
    folder.mkdir()
    board = Board(folder, cloud.device_config(folder / "flash"))
    enough = min(count, ENOUGH)
    args = (ROOT / "firmware", board.config, count, enough)
    figures = micropython.report(SCRIPT, *args, timeout=600)
    assert figures["left"] == count - enough
    return figures


@pytest.mark.long
def test_1_100_and_500_recordings_need_the_same_memory(cloud, tmp_path):
    """With all of them waiting: the more are sent, the more is it as with fewer."""
    one, hundred, many = (measure(cloud, tmp_path / str(n), n) for n in (1, 100, 500))
    print(one, hundred, many)
    for more in (hundred, many):
        assert abs(more["boot"] - one["boot"]) <= 2048
        assert abs(more["most"] - one["most"]) <= 2048
        # Up to the first byte the directory (two files a recording, and the store's own)
        # is listed once.
    assert hundred["first"] <= 210 and many["first"] <= 1010
    assert len(cloud.recordings()) == 1 + 2 * ENOUGH
