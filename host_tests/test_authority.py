"""The service's and S3's certificate authorities change, at run time and between two runs."""

import pytest
from conftest import Board

from tools.cloud import Cloud
from tools.cloud.limits import Limits


@pytest.fixture
def own_cloud():
    with Cloud(limits=Limits(10**9, 10**9)) as cloud:
        yield cloud


def drains(board, tries=1000):
    """Record and drain once: whether it came through, what the device said."""
    board.add(board.file("a.opus", b"abc"))
    drained = board.drain(tries)
    return drained.returncode == 0, drained.stdout


def roots_of(cloud, board):
    return [str(root) for root in cloud.roots if str(root) not in board.settings["roots"]]


def test_the_api_moves_to_another_authority_while_the_cloud_runs(own_cloud, tmp_path):
    board = Board(tmp_path, own_cloud.device_config(tmp_path / "flash"))
    assert drains(board)[0]
    own_cloud.trust.change("api")
    calls = len(own_cloud.service.calls)
    done, said = drains(board, tries=1)
    assert not done and "not correctly signed by the trusted CA" in said
    assert len(own_cloud.service.calls) == calls
    (new,) = roots_of(own_cloud, board)
    board.save(roots=[*board.settings["roots"], new])
    assert board.drain().returncode == 0
    assert [r.status for r in own_cloud.recordings()] == ["uploaded"] * 2


def test_s3_moves_alone_and_back(own_cloud, tmp_path):
    board = Board(tmp_path, own_cloud.device_config(tmp_path / "flash"))
    old = own_cloud.trust.s3
    own_cloud.trust.change("s3")
    done, said = drains(board, tries=1)
    assert not done and "not correctly signed by the trusted CA" in said
    assert own_cloud.edge.puts == 0
    assert any(c[1].endswith("/upload-url") for c in own_cloud.service.calls)  # the API did
    own_cloud.trust.use("s3", old)
    assert board.drain().returncode == 0 and own_cloud.edge.puts == 1


def test_both_move_to_one_new_authority(own_cloud, tmp_path):
    own_cloud.trust.change("api", "s3")
    assert len(own_cloud.roots) == 1
    board = Board(tmp_path, own_cloud.device_config(tmp_path / "flash"))
    assert drains(board)[0]
    own_cloud.trust.change("s3")
    assert len(own_cloud.roots) == 2


def test_a_cloud_that_keeps_its_data_keeps_the_authorities_that_it_moved_to(tmp_path):
    roots = []
    for life in range(2):
        with Cloud(tmp_path / "d", limits=Limits(10**9, 10**9)) as cloud:
            if life == 0:
                cloud.trust.change("api")
            roots.append([root.read_bytes() for root in cloud.roots])
            board = Board(tmp_path, cloud.device_config(tmp_path / "flash"))
            assert drains(board)[0]
    assert roots[0] == roots[1] and len(set(roots[0])) == 2
