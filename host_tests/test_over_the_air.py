"""The product, from a release that the local cloud assigns to what runs afterwards."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT
from test_device import wait_for

from tools import micropython
from tools.cloud import firmware as releases
from tools.device import bundle, provision
from tools.device.connection import DeviceError
from tools.device.package import File
from tools.update import product
from tools.update.product import NEW, Product


@pytest.fixture
def key(tmp_path):
    return bundle.new_key(tmp_path / "key.pem")


def test_a_release_is_fetched_tried_and_confirmed_and_the_service_learns_of_it(
    cloud, tmp_path, key
):
    device = Product(tmp_path, cloud, key, diagnostics=True)
    device.assign(product.firmware())
    with device:
        device.until(b"state=applied")
        assert device.status() == ["applied"]
    (id,) = cloud.state.keys("device")
    told = [b.said.diagnostics for b in cloud.state.beats(id, 9) if b.said.diagnostics]
    assert told[-1]["update"] == {"slot": "/lib2", "trial": NEW}
    assert "update" not in told[0]
    boots = [w for w in device.simulator.output.decode().splitlines() if " boot " in w]
    assert [f"version={NEW}" in line for line in boots] == [False, True]
    assert (device.root / "lib2/uploader/http.mpy").exists()


class Asked:
    """The pieces of bundles that devices asked for; `at(n)` is called before the nth is given, and
    may return what the edge is to answer instead."""

    def __init__(self, cloud, at=lambda n: None):
        self.pieces = []
        self._at = at
        cloud.edge.intercept = self._look

    def _look(self, method, target, headers):
        if method != "GET":
            return None
        first, last = dict(headers)["range"].removeprefix("bytes=").split("-")
        self.pieces.append((int(first), int(last) + 1 - int(first)))
        return self._at(len(self.pieces))


def larger(count=6):
    """A firmware with so many new files of 8 KB that do not pack."""
    more = [File(f"/uploader/more{i}.bin", os.urandom(8192)) for i in range(count)]
    return [*product.firmware(), *more]


def test_only_what_changed_is_asked_for(cloud, tmp_path, key):
    device = Product(tmp_path, cloud, key)
    data = device.assign(product.firmware())
    asked = Asked(cloud)
    with device:
        device.until(b"state=installed")
    # The manifest and the list, and the one file that has the version in it.
    assert sum(size for _, size in asked.pieces) < 20000 < len(data) // 4
    assert max(size for _, size in asked.pieces) <= 4096


def test_a_power_cut_in_the_download_costs_a_file_at_most(cloud, tmp_path, key):
    device = Product(tmp_path, cloud, key)
    device.assign(larger())
    cuts = (4, 12, 19)
    asked = Asked(cloud, lambda n: device.simulator.cut() if n in cuts else None)
    with device:
        device.until(b"state=applied")
        assert device.simulator.output.count(b" boot ") == len(cuts) + 2
    files = [piece for piece in asked.pieces if piece[1] == 4096]
    again = len(files) - len(set(files))
    assert again <= 2 * len(cuts), "what was whole was asked for again"


def test_an_expired_url_is_asked_for_anew(cloud, tmp_path, key):
    cloud.service.behaviour.redeliver = True
    device = Product(tmp_path, cloud, key)
    device.assign(larger(2))
    expired = (403, "AccessDenied", "Request has expired")
    asked = Asked(cloud, lambda n: expired if n == 6 else None)
    with device:
        device.until(b"state=expired")
        device.until(b"state=applied")
    assert len(asked.pieces) > 6


def test_a_server_that_had_enough_of_an_idle_connection_costs_a_request(cloud, tmp_path, key):
    def close(n):
        if n in (2, 5):
            raise ConnectionError

    device = Product(tmp_path, cloud, key)
    device.assign(larger(2))
    asked = Asked(cloud, close)
    with device:
        device.until(b"state=installed")
        assert b"state=failed" not in device.simulator.output
    assert len(asked.pieces) - len(set(asked.pieces)) == 2


def test_a_server_that_fails_is_tried_again_later(cloud, tmp_path, key):
    cloud.service.behaviour.redeliver = True
    device = Product(tmp_path, cloud, key)
    device.assign(product.firmware())
    asked = Asked(cloud, lambda n: (503, "SlowDown", "Please reduce your request rate"))
    with device:
        device.until(b"state=failed")
        said = device.simulator.output.decode()
        assert "answers 503" in said and "wait_s=120" in said
        # The next heartbeat, which offers it again, is in the next boot. Whoever feeds the
        # watchdog looks for an offer each time.
        device.simulator.cut()
        device.until(b"heartbeat state=sent", times=2)
        feeds = device.simulator.feeds
        wait_for(lambda: device.simulator.feeds > feeds + 3, "the app's turns")
        assert len(asked.pieces) == 1, "it was tried again at once"


@pytest.mark.parametrize("shape", sorted(releases.SHAPES))
def test_a_manifest_is_understood_in_each_of_the_likely_shapes(tmp_path, shape):
    version, size, crc, written, url = releases.SHAPES[shape]
    number = 0x00AB12CD
    manifest = {
        version: "1.2.3",
        size: 4711,
        crc: written.format(number) if written else number,
        url: "https://s3.test/x?y=1",
    }
    script = tmp_path / "parse.py"
    script.write_text(
        f"import sys, json\nsys.path.insert(0, {str(ROOT / 'firmware')!r})\n"
        "from updates.offer import parse\n"
        f"print(json.dumps(parse(json.loads({json.dumps(manifest)!r}))))\n"
    )
    found = micropython.report(script)
    assert found == {
        "url": manifest[url],
        "version": "1.2.3",
        "size": 4711,
        "crc": number,
    }


def test_a_signed_manifest_is_taken_and_a_changed_one_refused(cloud, tmp_path, key):
    device = Product(tmp_path, cloud, key)
    data = bundle.make(product.firmware(), key, "unix", NEW)
    release = cloud.service.firmware.release(NEW, data)
    for id in cloud.state.keys("device"):
        cloud.service.firmware.assign(id, release.id)
    plain = cloud.service.firmware.deliver("dev_demo")["firmware"]
    signed = bundle.announce(key, plain["url"], NEW, data)
    false = {**signed, "manifest": signed["manifest"].replace(NEW, "9.9.8")}
    given = [{"firmware": false}, {"firmware": signed}]
    cloud.service.firmware.deliver, before = (
        lambda device_id: given.pop(0) if given else {},
        cloud.service.firmware.deliver,
    )
    try:
        with device:
            device.until(b"state=refused")
            assert b"begun" not in device.simulator.output
            device.simulator.cut()  # the next heartbeat is in the next boot
            device.until(b"state=applied")
    finally:
        cloud.service.firmware.deliver = before


def test_where_memory_is_short_the_update_has_a_boot_of_its_own(cloud, tmp_path, key):
    device = Product(tmp_path, cloud, key, heap="300k")
    device.assign(product.firmware())
    with device:
        device.until(b"state=applied")
        said = device.simulator.output
    order = [said.index(b"update state=" + word) for word in (b"alone", b"begun", b"installed")]
    assert order == sorted(order)
    assert said.count(b" boot ") == 2 and not (device.root / "update.go").exists()
    assert device.status() == ["applied"]


def test_what_is_signed_by_another_is_refused_with_its_reason(cloud, tmp_path, key):
    device = Product(tmp_path, cloud, key)
    device.assign(product.firmware(), key=bundle.new_key(tmp_path / "other.pem"))
    with device:
        device.until(b"state=failed")
        said = device.simulator.output.decode()
    assert "signed by a key that is not provisioned" in said and "installed" not in said
    assert not (device.root / "lib2").exists()


def test_what_crashes_is_undone_and_not_tried_again(cloud, tmp_path, key):
    cloud.service.behaviour.redeliver = True
    said = product.harmed(tmp_path / "x", cloud, key, "crashes")
    assert "ValueError: broken" in said


def run(*args):
    return subprocess.run(
        [sys.executable, "-m", "tools.device", *map(str, args)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_make_update_brings_a_bundle_over_usb_and_deploy_takes_it_away_again(cloud, tmp_path, key):
    device = Product(tmp_path, cloud, key, watchdog_s=0)
    (device.root / "update.json").unlink()  # no key: over USB alone
    path = tmp_path / "x.bundle"
    path.write_bytes(bundle.make(product.firmware(), key, "unix", NEW))
    with device:
        device.until(b"heartbeat state=sent")
        port = ("--port", device.simulator.path)
        wrong = run("update", "--file", __file__, *port)
        assert wrong.returncode == 1 and "is no bundle" in wrong.stdout
        other = tmp_path / "other.bundle"
        other.write_bytes(bundle.make(product.firmware(), key, "Another", NEW))
        wrong = run("update", "--file", other, *port)
        assert wrong.returncode == 1 and "for the board Another" in wrong.stdout
        assert not (device.root / "lib2").exists()
        out = run("update", "--file", path, *port)
        assert out.returncode == 0 and f"{NEW} is tried" in out.stdout, out.stdout + out.stderr
        assert not list(device.root.glob("update.*"))
        device.until(f"version={NEW}".encode())
        status = run("status", *port).stdout
        assert "runs /lib2, on trial" in status and NEW in status
        checks = json.loads(run("doctor", "--json", *port).stdout)["checks"]
        (files,) = [c for c in checks if c["name"] == "files"]
        assert files["ok"] and f"as version {NEW} in /lib2" in files["text"], files
        out = run("deploy", "--board", "unix", *port)
        assert "what updates had brought is gone" in " ".join(out.stdout.split())
        assert not (device.root / "lib2").exists() and not list(device.root.glob("slot.*"))
        status = run("status", *port).stdout
        assert "runs /lib" in status and "trial" not in status


def test_keys_are_provisioned_and_wrong_ones_refused(key):
    values = {"api_url": "http://x", "allow_insecure": True, "device_token": "d", "wifi": []}
    config, files = provision.complete({**values, "update_keys": [key.public]}, "/captures")
    assert "update_keys" not in config
    (file,) = [f for f in files if f.path == "/update.json"]
    assert json.loads(file.data) == {"keys": [key.public], "metered": False}
    for wrong in ("x", ["zz"], [key.public[:-2]], [key.public] * 3, [5], [key.public.upper()]):
        if wrong == [key.public.upper()] and key.public.isdigit():
            continue
        with pytest.raises(DeviceError, match="update_keys"):
            provision.complete({**values, "update_keys": wrong}, "/captures")


def test_an_image_is_fetched_over_a_power_cut_tried_and_confirmed(cloud, tmp_path, key):
    device = Product(tmp_path, cloud, key)
    app = b"\xe9" + os.urandom(100_000)
    device.assign_image(app)
    asked = Asked(cloud, lambda n: device.simulator.cut() if n == 20 else None)
    with device:
        device.until(b"state=applied")
        assert device.simulator.output.count(b"state=installed") == 1
        status = run("status", "--port", device.simulator.path).stdout
        assert "last image micropython-9.0.0 applied" in " ".join(status.split()), status
    kept = b"".join(path.read_bytes() for path in (device.root / "state").glob("update.?"))
    assert b"applied" in kept, "a heartbeat that offers it again would have it taken again"
    assert json.loads((device.root / "otadata").read_text()) == [1, "valid"]
    assert (device.root / "ota_1").read_bytes()[: len(app)] == app
    assert sum(size for _, size in asked.pieces) < len(app) + 20 * 4096


class Slow(Product):
    """Its trials take long."""

    def provisioned(self):
        return {**super().provisioned(), "stood_s": 600}


def test_an_image_that_is_reset_before_it_is_confirmed_is_tried_twice_and_undone(
    cloud, tmp_path, key
):
    device = Slow(tmp_path, cloud, key)
    device.assign_image(b"\xe9" + os.urandom(9000))
    with device:
        for tries in (1, 2):
            device.until(b"state=installed", times=tries)
            device.until(b" boot ", times=2 * tries)
            device.simulator.cut()
        device.until(b"state=undone")
    assert json.loads((device.root / "otadata").read_text()) is None
