"""The product, from a release that the local cloud assigns to what runs afterwards."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT

from tools import micropython
from tools.cloud import firmware as releases
from tools.device import bundle, provision
from tools.device.connection import DeviceError
from tools.update import product
from tools.update.product import NEW, Product


@pytest.fixture
def key(tmp_path):
    return bundle.new_key(tmp_path / "key.pem")


def test_a_release_is_fetched_tried_and_confirmed_and_the_service_learns_of_it(
    cloud, tmp_path, key
):
    device = Product(tmp_path, cloud, key)
    device.assign(product.firmware())
    with device:
        device.until(b"state=applied")
        assert device.status() == ["applied"]
    boots = [w for w in device.simulator.output.decode().splitlines() if " boot " in w]
    assert [f"version={NEW}" in line for line in boots] == [False, True]
    assert (device.root / "lib2/uploader/http.mpy").exists()


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
        timeout=200,
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
