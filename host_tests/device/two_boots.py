"""A board on which recording and sending do not fit side by side: one boot does the one, another
boot the other, and what the one knows the other knows."""

import asyncio

import power
import product
from chip import Asleep, Reset
from control import http_date
from product import Chips, WithWifi
from sender import Sender
from wire import Service
from wlan import AccessPoint

from uploader import dates
from uploader.clock import iso
from uploader.errors import TransportError

HOME = [{"ssid": "home", "key": "12345678"}]


class Both(WithWifi):
    BUTTON_PIN = 0


class Life:
    """A board from reset to reset. `boots` says what each was, `end` is what ended the last."""

    def __init__(self, service=None, board=None, network=True, **more):
        self.service = service or Service("dtok_a")
        self.board = board or Both()
        self.settings = {"wifi": HOME, "awake_s": 20}
        self.settings.update(more)
        self.chips = Chips()
        self.network = network
        self.boots = []
        self.app = self.end = None
        self.us = 0

    def left_s(self, until_s):
        return until_s - self.chips.chip.us / 1000000

    def boot(self):
        """The next boot's App or Sender, as setup.boot chooses it."""
        if self.end:
            reason = "DEEPSLEEP" if isinstance(self.end, Asleep) else self.end.args[0]
            wake = 4 if reason == "DEEPSLEEP" else 0
            if wake:
                self.chips.chip.us += self.end.ms * 1000
            self.chips = Chips(self.chips.chip, reason, wake)
        self.chips.install()
        kind = Sender if power.load().get("mark") == "send" else product.App
        self.boots.append("sends" if kind is Sender else "records")
        a = product.app(
            self.service, board=self.board, chips=self.chips, kind=kind, **self.settings
        )
        a.up.roomy = False
        if self.network:
            self.chips.wlan.air = [AccessPoint("home", "12345678")]
        self.app = a
        return a

    def live(self, until_s, act=None, most=50):
        """Boot after boot until so many seconds of the chip's life; `await act(app)` runs beside
        each."""
        boots = 0
        while self.left_s(until_s) > 0:
            boots += 1
            assert boots < most, self.boots
            self.end = outcome(self.boot(), self.left_s(until_s), act)
            if self.end is None:
                break
        return self


def outcome(a, seconds, act):
    async def main():
        task = asyncio.create_task(a.run())
        other = act and asyncio.create_task(act(a))
        await asyncio.sleep(seconds)
        for each in (task, other):
            if each:
                each.cancel()
        await asyncio.sleep(0)

    return product.ended(main())


def once(kind, call):
    """An `act` for the first boot of a kind."""
    done = []

    async def act(a):
        if type(a) is kind and not done:
            done.append(1)
            await call(a)

    return act


async def record(a, seconds=3):
    await asyncio.sleep(1)
    a.start()
    await asyncio.sleep(seconds)
    assert a.state() == "recording"
    a.stop()


def lines(life, text):
    return [line for line in life.app.log.kept() if text in line]


def statuses(service):
    return [r["status"] for r in service.recordings.values()]


def test_a_recording_is_sent_by_the_other_boot_and_then_it_records_again():
    life = Life()
    life.live(300, once(product.App, record))
    assert life.boots == ["records", "sends", "records"]
    assert statuses(life.service) == ["uploaded"]
    assert not list(life.app.store.pending())
    # Wanted resets are no boot loop, and nothing that somebody has to read of.
    assert life.app.boot["resets"] <= 1 and len(lines(life, " boot ")) == 1
    assert life.app.state() == "idle" and life.chips.chip.us > 299e6


def test_it_stays_while_more_may_follow_and_sends_all_at_once():
    life = Life()
    told = []

    async def thrice(a):
        for _ in range(3):
            await record(a, 2)
            await asyncio.sleep(5)

        # A pass that went on waiting for the other boot would keep what it has loaded.
        told.extend(line for line in a.log.lines if "rule=recording" in line)

    life.live(120, once(product.App, thrice))
    assert life.boots == ["records", "sends", "records"]
    assert statuses(life.service) == ["uploaded"] * 3 and told


def test_times_are_right_that_were_not_known_when_it_recorded():
    life = Life()
    # The machine's clock shows what nobody set: 2000, as after a power-on.
    life.settings["now"] = 946684800
    real = product.FLOOR + 10000000
    life.service.date = lambda: http_date(real + life.chips.chip.us // 1000000)
    begun = []

    async def one(a):
        assert a.clock.now() is None
        await asyncio.sleep(30)
        begun.append(a.chips.chip.us // 1000000)
        await record(a)

    life.live(200, once(product.App, one))
    (recording,) = life.service.recordings.values()
    at = dates.parse_iso(recording["started_at"])
    # Seconds are counted whole on both sides of the resets.
    assert abs(at - (real + begun[0])) <= 4, (iso(at), iso(real + begun[0]))


def test_a_press_while_something_is_sent_records():
    life = Life()
    pressed = []

    async def press(a):
        while not life.service.calls.get("create"):
            await asyncio.sleep_ms(20)
        pressed.append(a.chips.chip.us)
        a.chips.chip.pins[0] = 0

    async def act(a):
        if type(a) is Sender and not pressed:
            await press(a)
        elif type(a) is product.App:
            a.chips.chip.pins[0] = 1
            if pressed and len(pressed) == 1:
                pressed.append(1)
                await asyncio.sleep(3)
                assert a.state() == "recording"
                a.stop()
            elif not pressed:
                await record(a)

    life.live(300, act)
    assert life.boots == ["records", "sends", "records", "sends", "records"]
    assert statuses(life.service) == ["uploaded"] * 2
    assert len(life.service.recordings) == 2


def commanded(metadata):
    """A Service whose first heartbeat asks for a recording of four seconds, and the Life of it."""
    service = Service("dtok_a")
    params = {"max_duration_sec": 4, "metadata": metadata}
    command = {"type": "start_recording", "id": "c1", "params": params}
    service.override = lambda step, number: (
        service.answer(200, {"status": "ok", "commands": [command]})
        if (step, number) == ("heartbeat", 0)
        else None
    )
    return service, Life(service, heartbeat_minutes=60)


def test_a_command_is_carried_over_to_the_boot_that_records():
    service, life = commanded({"room": "12"})
    life.live(300)
    assert life.boots[:4] == ["records", "sends", "records", "sends"], life.boots
    (recording,) = service.recordings.values()
    assert recording["status"] == "uploaded"
    assert recording["metadata"]["room"] == "12"
    assert 4 * 32000 <= len(recording["files"][0]) - 44 < 6 * 32000


def test_what_was_carried_over_is_done_once_whatever_reset_comes_next():
    life = Life()

    async def act(a):
        if type(a) is product.App and len(life.boots) == 1:
            await record(a)
        elif type(a) is Sender and len(life.boots) == 2:
            a.start()
        elif life.boots == ["records", "sends", "records"]:
            await asyncio.sleep(3)
            assert a.state() == "recording"
            a.chips.chip.halt(Reset("PANIC"))

    life.live(300, act)
    assert life.boots[:4] == ["records", "sends", "records", "records"]
    assert len(life.service.recordings) == 2 and len(list(life.app.store.pending())) == 0


def test_a_command_that_rtc_memory_does_not_hold_is_carried_without_its_metadata():
    service, life = commanded({"note": "x" * 2000})
    life.live(300)
    (recording,) = service.recordings.values()
    assert recording["status"] == "uploaded" and len(recording["files"][0]) < 6 * 32000


def test_without_a_network_it_records_most_of_the_time():
    life = Life(network=False)
    sending = [0]

    async def act(a):
        if type(a) is Sender:
            while True:
                await asyncio.sleep(1)
                sending[0] += 1
        elif len(life.boots) == 1:
            await record(a)

    life.live(7200, act, 60)
    assert statuses(life.service) == [] and len(list(life.app.store.pending())) == 1
    # 15 s, doubling up to 900 s, from attempt to attempt, over the resets.
    assert 8 < len(life.boots) < 50, life.boots
    assert sending[0] < 7200 / 4, sending
    life.network = True
    life.live(7200 + 1200)
    assert statuses(life.service) == ["uploaded"]


def test_memory_that_runs_out_ends_the_boot_and_the_next_one_goes_on():
    service = Service("dtok_a")
    life = Life(service)
    poor = []

    async def act(a):
        if type(a) is Sender and not poor:

            async def fails(*args):
                poor.append(1)
                raise TransportError("memory", "out of memory")

            a.up.sending.s3.put = fails
        elif len(life.boots) == 1:
            await record(a)

    life.live(300, act)
    assert life.boots == ["records", "sends", "records", "sends", "records"], life.boots
    assert statuses(service) == ["uploaded"] and len(poor) == 1


def test_the_schedule_ends_what_is_sent():
    now = product.FLOOR + 10000000
    at = "%02d:%02d" % ((now + 600) % 86400 // 3600, (now + 600) % 3600 // 60)
    life = Life(record_schedule=[{"at": [at], "minutes": 1}])
    seen = []

    async def busy():
        await asyncio.sleep(10000)

    async def act(a):
        if type(a) is Sender:
            a.updating = asyncio.create_task(busy())
        else:
            await record(a) if len(life.boots) == 1 else None
            await asyncio.sleep(20)
            seen.append((a.state(), a.clock.now() - now))

    life.live(630, act)
    assert life.boots == ["records", "sends", "records"]
    assert seen[-1][0] == "recording" and 540 <= seen[-1][1] < 625, seen


def test_a_policy_that_says_no_costs_no_reset():
    life = Life()
    life.board.percent = 5
    life.live(1000, once(product.App, record))
    assert life.boots == ["records"]
    life.board.percent = 80
    life.live(3000)
    assert statuses(life.service) == ["uploaded"]


def test_heartbeats_alone_go_by_the_other_boot_and_sleep_goes_on_between():
    life = Life(heartbeat_minutes=30, sleep_when_idle=True)
    life.live(4 * 3600, None, 60)
    calls = life.service.calls["heartbeat"]
    assert 8 <= calls <= 9, calls
    # Awake for a heartbeat: the boot that woke, the one that sends, the one that sleeps again.
    assert len(life.boots) <= 3 * (calls + 1), life.boots


def test_a_boot_that_sends_and_dies_ends_with_recording_alone():
    class Dies(Sender):
        async def run(self):
            self.chips.chip.halt(Reset("TASK_WDT"))

    life = Life(network=True)
    kept = globals()["Sender"]
    globals()["Sender"] = Dies
    try:
        life.live(3000, once(product.App, record), 60)
    finally:
        globals()["Sender"] = kept
    assert life.boots.count("sends") < power.RESETS, life.boots
    assert life.app.only_records and len(list(life.app.store.pending())) == 1


class Trial:
    """Of an update: as much of it as a boot asks for."""

    image = stood = False
    excused = 0

    def note(self, *_):
        pass

    def stuck(self, now):
        return False

    def excuse(self):
        Trial.excused += 1


def test_an_image_on_trial_is_not_reset_before_it_is_confirmed():
    life = Life()

    async def act(a):
        if type(a) is product.App and len(life.boots) == 1:
            power.mark("send")
            a.chips.machine.reset()
        elif type(a) is Sender:
            a.trial = Trial()
            a.trial.image = True
            await asyncio.sleep(100)
            assert life.boots == ["records", "sends"]
            a.trial = None

    life.live(200, act)
    assert life.boots == ["records", "sends", "records"] and life.chips.chip.us > 100e6


def test_an_update_on_trial_is_not_given_up_for_wanted_resets():
    life = Life()
    Trial.excused = 0

    async def act(a):
        a.trial = Trial()
        await record(a)
        await asyncio.sleep(60)
        assert not Trial.excused  # it has to have stood first
        a.trial.stood = True

    life.live(200, once(product.App, act))
    assert Trial.excused == 1 and statuses(life.service) == ["uploaded"]
    assert 70e6 < life.chips.chip.us


def test_what_is_kept_fits_rtc_memory():
    life = Life(heartbeat_minutes=10, diagnostics=True)
    life.live(1300, None, 40)
    assert len(life.chips.chip.kept["rtc"]) < 1500, len(life.chips.chip.kept["rtc"])
