"""Set-up mode without a browser: what is drawn, drafted, tried, answered, and when it ends."""

import asyncio
import json
import os
import random
import sys

import doctor
import power
import setup
import vfs
from _support import Ticks, folder, free_port, raises
from ap import Ap
from chip import Reset
from esp32board import Board as Chips
from product import Board as Plain
from product import app
from recorders import microphone, trial  # noqa: F401
from recorders.wav import head  # noqa: F401
from setup import boot as booting
from setup import draft, known, mode, names, proving, radio
from wire import Service
from wlan import AccessPoint, Network

from uploader import timesync  # noqa: F401
from uploader.links import resolver  # noqa: F401
from uploader.links.host import HostLink

TOKEN, KEY = "dtok_secret", "a long WiFi key"


def root():
    """This test's directory as "/"."""
    here = folder()
    vfs.umount("/")
    vfs.mount(vfs.VfsPosix(here), "/")


def saved():
    return json.load(open("/config.json"))


def with_roots():
    """What `make deploy` puts beside set-up's code: two authorities."""
    with open("/shipped.txt", "w") as f:
        f.write("0 4 aaaa One\n4 3 bbbb Two\n")
    with open("/shipped.der", "wb") as f:
        f.write(b"ONE1TWO")


def test_name_and_key_are_drawn_once_and_are_nobody_elses():
    root()
    name, key = radio.identity()
    assert radio.identity() == (name, key)
    os.remove("/setup.json")
    other = radio.identity()
    assert other[0] != name and other[1] != key
    assert len(key) == 12 and len(name) == len("recorder-") + 4
    for c in key:
        assert c in "abcdefghjkmnpqrstuvwxyz23456789"


def test_every_letter_of_a_key_is_as_likely_as_another():
    root()
    counts = {}
    for _ in range(40):
        for c in radio.identity()[1]:
            counts[c] = counts.get(c, 0) + 1
        os.remove("/setup.json")
    assert len(counts) > 25 and max(counts.values()) < 45


def network(**more):
    ap = Ap(**more)
    chips = Chips().install()
    chips.wlan.air = [
        AccessPoint("home", "12345678", -60),
        AccessPoint("home", "12345678", -50, 6),
        AccessPoint("cafe", "", -70),
    ]
    sys.modules["network"] = Network(chips.wlan, ap)
    return ap


def test_the_access_point_is_closed_and_shows_what_is_in_reach():
    for early in (True, False):
        ap = network(early=early)
        made = radio.Radio()
        assert made.open("recorder-x", "abcdefghjkmn") == "192.168.4.1"
        last = ap.ran[-1]
        assert (last["ssid"], last["key"], last["security"]) == ("recorder-x", "abcdefghjkmn", 3)
        if early:
            assert [c["security"] for c in ap.ran] == [3] * len(ap.ran)
        assert made.scan() == [["home", -50, False], ["cafe", -70, True]]
        made.close()
        assert not ap.active()


def test_an_access_point_that_would_be_open_is_none():
    ap = network(weak=True)
    error = raises(OSError, radio.Radio().open, "recorder-x", "abcdefghjkmn")
    assert "not as it should be" in str(error) and not ap.active()


def test_what_is_typed_becomes_a_configuration_on_trial():
    root()
    with_roots()
    draft.save({"ssid": "home", "key": KEY, "token": " " + TOKEN + "\n", "apn": "net"}, "/sd/c")
    config = saved()
    assert config["wifi"] == [{"ssid": "home", "key": KEY, "hidden": False}]
    assert config["device_token"] == TOKEN and config["apn"] == "net"
    assert config["storage"] == "/sd/c" and config["api_url"] == "https://api.bota.dev/v1"
    assert config["roots"] == ["/roots/aaaa.der"] and open("/roots/aaaa.der").read() == "ONE1"
    assert open(config["root_bundle"] + ".der").read() == "ONE1TWO"
    assert known.recall()["trial"] == 0 and not known.exists(known.FORMER)


def test_what_is_left_empty_stays_and_the_former_configuration_is_kept():
    root()
    before = {
        "api_url": "https://mine.test/v1",
        "device_token": TOKEN,
        "roots": ["/r.der"],
        "wifi": [{"ssid": "home", "key": KEY, "hidden": True}, {"ssid": "b", "key": ""}],
        "sim_pin": "1234",
        "audio_codec": "flac",
    }
    with open("/config.json", "w") as f:
        json.dump(before, f)
    draft.save({"ssid": "b", "key": "another key", "token": "", "pin": ""}, "/captures")
    config = saved()
    assert [n["ssid"] for n in config["wifi"]] == ["b", "home"] and config["wifi"][1]["key"] == KEY
    for key in ("api_url", "device_token", "roots", "sim_pin", "audio_codec"):
        assert config[key] == before[key]
    assert json.load(open(known.FORMER)) == before
    # While one has failed its trial, the former is still the one before it.
    known.remember(trial=None, reason="it did not work")
    draft.save({"ssid": "home", "token": "dtok_new", "same_user": True}, "/captures")
    assert json.load(open(known.FORMER)) == before
    assert saved()["wifi"][0]["key"] == KEY and saved()["same_user"] is True
    assert "reason" not in known.recall()


def test_what_is_wrong_is_said_and_nothing_is_written():
    root()
    with_roots()
    for asked, words in (
        ({"ssid": "x" * 33, "token": "t"}, "32 bytes"),
        ({"ssid": "home", "key": "short", "token": "t"}, "8 to 63"),
        ({"pin": "12a4", "token": "t"}, "4 to 8 digits"),
        ({"token": "two words"}, "copy it again"),
        ({"ssid": "home", "key": KEY}, "token is missing"),
    ):
        assert words in str(raises(ValueError, draft.save, asked, "/c")), asked
        assert not known.exists("/config.json")
    os.remove("/shipped.txt")
    assert "make deploy" in str(raises(ValueError, draft.save, {"token": "t"}, "/c"))


class Standin:
    """A board without anything, on loopback ports that are free."""

    NAME = "Stand-in"
    STORAGE = "/captures"
    MICROPHONE = None
    LED_PIN = None
    port = 0

    class make_radio:
        def __init__(self):
            self.web_port = free_port()
            self.dns_port = free_port()
            self.opened = None
            Standin.port = self.web_port

        def open(self, name, key):
            self.opened = name, key
            return "127.0.0.1"

        def scan(self):
            return [["home", -50, False]]

        def close(self):
            self.opened = None


async def asked(request, body=b""):
    reader, writer = await asyncio.open_connection("127.0.0.1", Standin.port)
    writer.write(request.encode() + b"\r\n\r\n" + body)
    await writer.drain()
    answer = await reader.read(-1)
    writer.close()
    return answer


def on_set_up(most_s=600):
    root()
    ticks = Ticks()
    ticks.uptime_ms = ticks.ticks_ms
    return mode.SetUp(Standin, ticks, most_s), ticks


async def test_it_ends_by_itself_after_ten_minutes():
    made, ticks = on_set_up()
    assert await made.run() is False
    assert 600000 <= ticks.ms < 601000


async def test_no_answer_ever_has_a_secret_in_it():
    made, ticks = on_set_up(10**9)
    with open("/config.json", "w") as f:
        json.dump(
            {
                "device_token": TOKEN,
                "wifi": [{"ssid": "home", "key": KEY}],
                "sim_pin": "7391",
                "apn_password": "apn secret",
                "roots": ["/r.der"],
            },
            f,
        )
    key = radio.identity()[1]
    task = asyncio.create_task(made.run())
    await asyncio.sleep_ms(50)
    host = "Host: 127.0.0.1:%d" % Standin.port
    seen = b""
    gets = "state config.json setup.json ../config.json sound.wav save".split()
    posts = "scan level record x save".split()
    for line in ["GET /" + name for name in gets] + ["POST /" + name for name in posts]:
        more = "\r\nContent-Type: application/json" if line[:4] == "POST" else ""
        answer = await asked("%s HTTP/1.1\r\n%s%s" % (line, host, more))
        assert answer[:9] == b"HTTP/1.1 ", (line, answer)
        seen += answer
    task.cancel()
    assert b'"token": true' in seen
    for secret in (TOKEN, KEY, "7391", "apn secret", key):
        assert secret.encode() not in seen


async def test_what_is_no_request_of_the_page_is_turned_away():
    made, ticks = on_set_up(10**9)
    task = asyncio.create_task(made.run())
    await asyncio.sleep_ms(50)
    host = "\r\nHost: 127.0.0.1:%d" % Standin.port
    body = b'{"token": "dtok_of_a_stranger"}'
    for text in (
        # A form on a page elsewhere, and a name that was made to lead here.
        "POST /save HTTP/1.1%s\r\nContent-Type: text/plain\r\nContent-Length: 31" % host,
        "POST /save HTTP/1.1\r\nHost: evil.test\r\nContent-Type: application/json\r\n"
        "Content-Length: 31",
        "POST /save HTTP/1.1%s\r\nContent-Type: application/json\r\nContent-Length: 99999" % host,
    ):
        assert (await asked(text, body))[9:12] in (b"400", b"302")
    assert await asked("nonsense") == b""
    assert await asked("GET / HTTP/1.1\r\nX: " + "x" * 6000) == b""
    assert not known.exists("/config.json")
    answer = await asked("GET /state HTTP/1.1" + host)  # and it still serves
    assert b"200 OK" in answer
    task.cancel()


async def test_a_configuration_that_was_saved_ends_it():
    made, ticks = on_set_up(10**9)
    with_roots()
    task = asyncio.create_task(made.run())
    await asyncio.sleep_ms(50)
    body = json.dumps({"ssid": "home", "key": KEY, "token": TOKEN}).encode()
    answer = await asked(
        "POST /save HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
        "Content-Length: %d" % (Standin.port, len(body)),
        body,
    )
    assert b"200 OK" in answer and b"recorder-" in answer
    assert await task is True and saved()["device_token"] == TOKEN


async def tried(service, **more):
    # Names are not what is tried here.
    a = app(service, api_url="https://127.0.0.1/v1", **more)
    http = a.up.sending.http
    return await proving.attempt(a, http=http), a


async def test_a_trial_that_reaches_the_service_passes():
    reason, _ = await tried(Service("dtok_a"))
    assert reason is None


class Nameless(HostLink):
    """A network whose names can't be looked up."""

    def name_servers(self):
        return []


async def test_a_name_that_cannot_be_looked_up_is_said_with_what_to_do():
    class Board(Plain):
        def links(self, settings, clock, on_event):
            return [Nameless()]

    told = {}
    a = app(Service("dtok_a"), board=Board())
    tell = lambda name, ok, text: told.update({name: (ok, text)})  # noqa: E731
    await doctor.reach(a, tell, http=a.up.sending.http)
    assert told["network"][0] and told["names"][0] is False
    assert "api.test" in told["names"][1] and "dns_servers" in told["names"][1]


async def test_the_watchdog_outlasts_set_up_and_the_trial():
    _, a = await tried(Service("dtok_a"))
    assert a.chips.machine.watchdog.timeout_ms == (150 + 120) * 1000
    root()
    chips = Chips().install()
    sys.modules["board"] = Standin
    mode.run(0)  # without a configuration there is none
    assert chips.machine.watchdog.timeout_ms is None
    open("/config.json", "w").close()
    raises(Reset, mode.run, 0)
    assert chips.machine.watchdog.timeout_ms == 120 * 1000


async def test_a_token_that_is_refused_ends_the_trial_at_once_with_the_reason():
    reason, a = await tried(Service("dtok_another"))
    assert "token" in reason and "needs a new one" in reason
    assert a.clock.uptime_ms() < 5000


async def test_a_network_that_is_not_there_ends_it_after_three_looks():
    from product import WithWifi

    reason, a = await tried(
        Service("dtok_a"), board=WithWifi(), wifi=[{"ssid": "home", "key": "12345678"}]
    )
    assert reason.startswith("network: ") and "none of the known networks" in reason
    assert a.clock.uptime_ms() < 60000


def boot(config=None, **facts):
    """`setup.app()` on a board of stand-ins: what was called."""
    root()
    if config is not None:
        with open("/config.json", "w") as f:
            f.write(config)
    known.remember(**facts)
    called = []

    class Mode:
        run = staticmethod(lambda: called.append("set-up"))

    class App:
        make = staticmethod(lambda: called.append("app"))

    class Sender:
        make = staticmethod(lambda: called.append("sender"))

    class Proving:
        prove = staticmethod(lambda made: called.append("trial"))

    # It lets go of itself.
    sys.modules.update({"setup": setup, "setup.boot": booting, "setup.known": known})
    sys.modules.update({"setup.mode": Mode, "app": App, "setup.proving": Proving})
    sys.modules["sender"] = Sender
    booting.app()
    return called


class Buttoned:
    BUTTON_PIN = 0


def test_set_up_comes_in_place_of_the_app_when_it_is_wanted():
    chips = Chips().install()
    sys.modules["board"] = Buttoned
    assert boot() == ["set-up"]
    assert boot("{}") == ["app"]
    assert boot("{}", reason="no network") == ["set-up"]
    assert boot("{}", reason=None, trial=0) == ["sender", "trial"]
    assert known.recall()["trial"] == 1
    # A trial that ends in a crash each time ends for good.
    assert boot("{}", trial=3) == ["set-up"]
    assert "again and again" in known.recall()["reason"]
    known.remember(reason=None, trial=None)
    # While something is sent a press is for a recording.
    chips.chip.pins[0] = 0
    for mark, kind in (("send", "sender"), ("record", "app")):
        power.save({"v": 1, "mark": mark})
        assert boot("{}") == [kind]
    power.save({"v": 1, "mark": "update"})
    assert boot("{}") == ["set-up"]


def test_a_button_that_woke_it_begins_a_recording_and_no_set_up():
    for reason in ("DEEPSLEEP", "TASK_WDT"):
        chips = Chips(reason=reason).install()
        sys.modules["board"] = Buttoned
        chips.chip.pins[0] = 0
        assert boot("{}") == ["app"]


def test_the_trial_ends_in_a_restart_with_its_reason_or_for_good():
    root()
    Chips().install()
    known.remember(trial=1)
    with open("/config.json", "w") as f:
        f.write('{"colour": 1}')
    raises(Reset, proving.prove, None)
    assert "colour" in known.recall()["reason"] and "trial" not in known.recall()
    with open(known.FORMER, "w") as f:
        f.write("{}")
    known.remember(trial=1, reason=None)
    held = proving.attempt
    proving.attempt = passed
    proving.prove(True)
    proving.attempt = held
    assert known.recall() == {} and not known.exists(known.FORMER)


async def passed(app):
    return None


def test_a_time_that_is_over_brings_the_former_configuration_back():
    root()
    Chips().install()
    sys.modules["board"] = Standin
    for name, text in (("/config.json", "new"), (known.FORMER, "former")):
        with open(name, "w") as f:
            f.write(text)
    known.remember(reason="no network", name="recorder-x", key="abcdefghjkmn")
    raises(Reset, mode.run, 0)
    assert open("/config.json").read() == "former" and not known.exists(known.FORMER)
    assert known.recall() == {"name": "recorder-x", "key": "abcdefghjkmn"}


def test_without_a_configuration_it_ends_at_the_prompt():
    root()
    Chips().install()
    sys.modules["board"] = Standin
    mode.run(0)


def test_names_all_lead_here_and_nonsense_leads_nowhere():
    query = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\3www\7example\0\0\1\0\1"
    answer = names.answer_to(query, b"\xc0\xa8\x04\x01")
    assert answer[:2] == b"\x12\x34" and answer[-4:] == b"\xc0\xa8\x04\x01"
    # IPv6 and the like: the name is there, and has none.
    other = names.answer_to(query[:-3] + b"\x1c\0\1", b"\xc0\xa8\x04\x01")
    assert other[3] == 0 and other[6:8] == b"\0\0"
    for cut in range(len(query)):
        assert names.answer_to(query[:cut], b"1234") is None
    assert names.answer_to(answer, b"1234") is None  # an answer is no question
    random.seed(5)
    for _ in range(2000):
        noise = bytearray(query)
        noise[random.randrange(len(noise))] = random.randrange(256)
        names.answer_to(bytes(noise), b"1234")
