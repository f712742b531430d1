"""What the READMEs show is what there is."""

from conftest import ROOT

from tools.pictures import tables

README = ROOT / "firmware/README.md"


def test_the_leds_bars_are_those_of_the_firmware():
    assert tables.patterns().keys() == tables.MEANINGS.keys()
    assert tables.leds() in README.read_text(), "make pictures prints it"


def test_a_bar_is_as_long_as_its_pattern():
    assert tables.bar((1000, 1000)) == "█" * 10 + "░" * 10 + "█" * 10
    assert tables.bar((60, 2940)) == "█" + "░" * 29
    assert tables.bar(()) == "░" * 30
    assert len({tables.bar(p) for p in tables.patterns().values()}) == len(tables.MEANINGS)


def test_the_states_of_a_recording_are_those_of_the_code():
    found = tables.states()
    assert "uploading --> uploaded" in found and "quarantined --> ended" in found
    assert f"```mermaid\n{found}```" in README.read_text(), "make pictures prints it"


def test_pictures_are_shown_and_small():
    text = (ROOT / "README.md").read_text()
    for name in ("page", "terminal"):
        path = ROOT / f"tools/pictures/{name}.png"
        assert path.read_bytes()[:4] == b"\x89PNG" and path.stat().st_size < 40_000
        assert f"tools/pictures/{name}.png" in text
