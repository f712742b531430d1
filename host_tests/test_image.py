"""`make firmware` drives MicroPython's own build, and says what is missing."""

from pathlib import Path

import pytest

from tools.device import image, package
from tools.device.connection import DeviceError


@pytest.fixture
def idf(tmp_path):
    folder = tmp_path / "esp idf"
    folder.mkdir()
    (folder / "export.sh").write_text("export IDF_SOURCED=yes\n")
    return folder


@pytest.fixture
def source(tmp_path):
    """A checkout whose make writes down what it was asked for."""
    folder = tmp_path / "micropython"
    for part in ("py", "mpy-cross", "ports/esp32"):
        (folder / part).mkdir(parents=True)
    (folder / "py/mpconfig.h").write_text(
        "#define MICROPY_VERSION_MAJOR 1\n#define MICROPY_VERSION_MINOR 27\n"
    )
    (folder / "mpy-cross/Makefile").write_text("all:\n\ttouch made\n")
    (folder / "ports/esp32/Makefile").write_text(
        "NAME = build-$(BOARD)$(if $(BOARD_VARIANT),-$(BOARD_VARIANT))\n"
        "all:\n\tmkdir -p $(NAME)\n"
        "\techo $$IDF_SOURCED '$(FROZEN_MANIFEST)' > $(NAME)/firmware.bin\n"
    )
    return folder


def test_the_ports_own_build_gets_the_manifest_and_the_variant(idf, source, tmp_path):
    made = image.build("lilygo_t_a7670", idf, source, tmp_path / "out")
    assert made.name == "ESP32_GENERIC-SPIRAM-frozen.bin"
    sourced, manifest = made.read_text().split()
    assert sourced == "yes" and Path(manifest) == package.FIRMWARE / "manifest.py"
    assert (source / "mpy-cross/made").exists()


def test_what_is_missing_is_said(idf, source, tmp_path):
    out = tmp_path / "out"
    for arguments, words in (
        (("nothing", idf, source), "There is no board"),
        (("unix", idf, source), "no image of its own"),
        (("esp32_generic", None, source), "ESP_IDF=FOLDER"),
        (("esp32_generic", tmp_path, source), "export.sh"),
        (("esp32_generic", idf, None), "MICROPYTHON_SRC=FOLDER"),
        (("esp32_generic", idf, tmp_path), "MICROPYTHON_SRC=FOLDER"),
    ):
        with pytest.raises(DeviceError, match=words):
            image.build(*arguments, out)
    (source / "py/mpconfig.h").write_text(
        "#define MICROPY_VERSION_MAJOR 1\n#define MICROPY_VERSION_MINOR 25\n"
    )
    with pytest.raises(DeviceError, match="is MicroPython 1.25"):
        image.build("esp32_generic", idf, source, out)
    assert not out.exists()


def test_a_build_that_fails_is_told(idf, source, tmp_path):
    (source / "ports/esp32/Makefile").write_text("all:\n\tfalse\n")
    with pytest.raises(DeviceError, match="MicroPython's build failed"):
        image.build("esp32_generic", idf, source, tmp_path / "out")
