"""Trust that outlasts a certificate authority: the service or S3 moves to another, and back."""

import json
from datetime import datetime, timedelta, timezone

import pytest
from conftest import Board
from test_trust import Listener

from tools.cloud import Cloud
from tools.cloud.limits import Limits
from tools.cloud.pki import Authority
from tools.device.trust import bundle


@pytest.fixture
def own_cloud():
    with Cloud(limits=Limits(10**9, 10**9)) as cloud:
        yield cloud


def write_bundle(folder, *authorities):
    """A bundle of these authorities' roots, as provisioning makes it, without Mozilla's."""
    listed, data = bundle([a.root_der.read_bytes() for a in authorities])
    lines = listed.decode().splitlines(keepends=True)[: len(authorities)]
    (folder / "bundle.txt").write_text("".join(lines))
    (folder / "bundle.der").write_bytes(data)
    return str(folder / "bundle")


@pytest.fixture
def others(tmp_path):
    """Three authorities that the device has heard of, and the bundle's path."""
    return [Authority(tmp_path / f"other{i}") for i in range(3)]


def board_of(cloud, tmp_path, authorities, **more):
    path = write_bundle(tmp_path, cloud.authority, *authorities)
    return Board(tmp_path, cloud.device_config(tmp_path / "flash", root_bundle=path, **more))


def drains(board):
    board.add(board.file("a.opus", b"abc"))
    drained = board.drain()
    return drained.returncode == 0, drained.stdout


def remembered(board):
    kept = {}
    for path in sorted((board.folder / "flash").glob("trust.*")):
        serial, value = json.loads(path.read_text().rsplit(" ", 1)[0])
        kept[serial] = value
    return {k: v for k, v in kept[max(kept)].items() if ":" in k} if kept else {}


@pytest.mark.parametrize("role", ["s3", "api"])
def test_a_role_moves_to_another_authority_and_back_without_anyones_hand(
    own_cloud, tmp_path, others, role
):
    board = board_of(own_cloud, tmp_path, others)
    old = own_cloud.authority
    port = own_cloud.edge.port if role == "s3" else own_cloud.port
    done, said = drains(board)
    assert done and "moved" not in said and remembered(board) == {}
    own_cloud.trust.use(role, others[2])
    done, said = drains(board)
    assert done and said.count("certificate") == 1 and "moved" in said, said
    assert list(remembered(board)) == [f"localhost:{port}"]
    done, said = drains(board)
    assert done and "moved" not in said, "the root that worked was not remembered"
    own_cloud.trust.use(role, old)
    done, said = drains(board)
    assert done and "moved" in said
    assert [r.status for r in own_cloud.recordings()] == ["uploaded"] * 4


def test_a_root_that_is_not_in_the_bundle_is_not_trusted(own_cloud, tmp_path, others):
    board = board_of(own_cloud, tmp_path, others)
    own_cloud.trust.use("s3", Authority(tmp_path / "unheard"))
    board.add(board.file("a.opus", b"abc"))
    before = own_cloud.edge.connections
    drained = board.drain(tries=1)
    assert drained.returncode == 1 and own_cloud.edge.puts == 0
    assert "not correctly signed by the trusted CA" in drained.stdout
    assert own_cloud.edge.connections - before <= 1 + 4, "a round has four handshakes"
    assert remembered(board) == {}


def attempt(tmp_path, context, *authorities):
    listener = Listener(context)
    settings = {
        "api_url": f"https://localhost:{listener.port}/v1",
        "device_token": "dtok_0123456789",
        "storage": str(tmp_path / "flash"),
        "roots": [str(authorities[0].root_der)],
        "root_bundle": write_bundle(tmp_path, *authorities),
        "ntp_server": "",
    }
    board = Board(tmp_path, settings)
    board.add(board.file("a.opus", b"abc"))
    result = board.drain(tries=1)
    listener.close()
    assert result.returncode == 1 and board.status()["pending"] == 1
    return listener, result, board


def test_an_imposter_of_another_family_gets_nothing_for_another_name(tmp_path, others):
    """Its root is in the bundle; the name is wrong, so no root is tried for it."""
    listener, result, board = attempt(tmp_path, others[1].server_context("evil.test"), *others)
    assert listener.accepted == 1 and listener.read == b"" and b"dtok" not in listener.raw
    assert "does not match with the expected CN" in result.stdout
    assert remembered(board) == {} and "moved" not in result.stdout


@pytest.mark.parametrize("days", [(-20, -10), (10, 20)])
def test_wrong_dates_are_no_reason_to_try_another_root(tmp_path, others, days):
    now = datetime.now(timezone.utc)
    context = others[1].server_context(
        not_before=now + timedelta(days=days[0]), not_after=now + timedelta(days=days[1])
    )
    listener, result, board = attempt(tmp_path, context, *others)
    assert listener.read == b"" and b"dtok" not in listener.raw
    assert remembered(board) == {} and "moved" not in result.stdout


def test_the_counter_check_a_listener_of_another_family_with_the_right_name_is_found(
    tmp_path, others
):
    """Without which the imposters above would prove nothing."""
    listener, _, _ = attempt(tmp_path, others[1].server_context(), *others)
    assert b"Authorization: Bearer dtok_0123456789" in listener.read


def test_without_a_bundle_only_the_usual_roots_are_trusted(own_cloud, tmp_path, others):
    board = board_of(own_cloud, tmp_path, others)
    board.save(root_bundle="")
    own_cloud.trust.use("s3", others[0])
    board.add(board.file("a.opus", b"abc"))
    assert board.drain(tries=1).returncode == 1 and own_cloud.edge.puts == 0


def test_a_damaged_bundle_stops_no_upload(own_cloud, tmp_path, others):
    board = board_of(own_cloud, tmp_path, others)
    (tmp_path / "bundle.txt").write_text("0 9 ab\nnoise\n")
    (tmp_path / "bundle.der").unlink()
    assert drains(board)[0]


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_the_bundle_has_the_current_roots_then_their_siblings_then_the_widely_used():
    import certifi
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    with open(certifi.where(), "rb") as f:
        known = x509.load_pem_x509_certificates(f.read())
    (one,) = [c for c in known if "Amazon Root CA 3" in c.subject.rfc4514_string()]
    der = one.public_bytes(Encoding.DER)
    listed, data = bundle([der])
    lines = [line.split(" ", 3) for line in listed.decode().splitlines()]
    names = [line[3] for line in lines]
    assert names[:4] == [f"Amazon Root CA {i}" for i in (3, 1, 2, 4)]
    assert (
        "Starfield" in names[4]
        and "ISRG Root X1" in names
        and len(names) == len({line[2] for line in lines})
    )
    assert data[: len(der)] == der
    for offset, length, _, name in lines:
        part = data[int(offset) : int(offset) + int(length)]
        assert x509.load_der_x509_certificate(part) and name.isascii()
    assert len(data) < 60_000
