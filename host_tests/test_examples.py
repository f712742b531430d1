"""The examples of firmware/README.md, run as they stand."""

import json
import re
import shutil

import pytest
from conftest import ROOT

from tools import micropython

TEXT = re.search(
    r"^## Examples\n(.*?)^## ", (ROOT / "firmware/README.md").read_text(), re.S | re.M
)[1]
EXAMPLES = dict(re.findall(r"\*\*([^*]+)\.\*\*.*?```python\n(.*?)```", TEXT, re.S))
# What arrives: media of each recording.
MEDIA = {
    "The module alone, beside a main.py of your own": 1,
    "A recorder of your own": 2,
    "Pictures only": 3,
    "Deep sleep by hand": 1,
}


def test_there_is_one_for_each_use():
    assert EXAMPLES.keys() == MEDIA.keys()


@pytest.mark.parametrize("name", MEDIA)
def test_an_example_runs_as_it_stands(cloud, tmp_path, name):
    settings = cloud.device_config(
        "/captures",
        ntp_server="",
        roots=["/root.der"],
        wifi=[{"ssid": "home", "key": "12345678"}],
    )
    shutil.copy(cloud.root_der, tmp_path / "root.der")
    (tmp_path / "config.json").write_text(json.dumps(settings))
    example = tmp_path / "example.py"
    example.write_text(EXAMPLES[name])
    script = ROOT / "host_tests/scripts/example.py"
    out = micropython.run(script, example, tmp_path, heap="2m", timeout=600)
    assert len(cloud.recordings()) == 1, out
    (recording,) = cloud.recordings()
    assert recording.status == "uploaded" and len(recording.media) == MEDIA[name], out
    end = "asleep for 600000" if "deepsleep" in example.read_text() else "ended"
    assert out.splitlines()[-1] == end
