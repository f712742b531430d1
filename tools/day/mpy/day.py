"""A device's day (or week) in virtual time: day.py PROFILE. Prints a line of JSON: what it cost,
and `late`, how many recordings did not go out in the first wake that could have sent them. Runs
in MicroPython."""

import sys

HERE = sys.argv[0].rsplit("/", 1)[0]
ROOT = HERE + "/../../../"
for _path in ("tools/chip/mpy", "tools/faults/mpy", "tools/crash/mpy", "firmware"):
    sys.path.insert(1, ROOT + _path)
sys.path.insert(0, HERE)

import json

from world import HOME, World

from uploader.journal import Durable

DAY, HOUR = 86400, 3600
CELLULAR = {"apn": "internet", "min_signal_dbm": -105}


def away(world):
    world.home = False


def back(world):
    world.home = True


def office():
    """WiFi at hand, a minute recorded each hour of the working day, heartbeats each 30 minutes."""
    at = ["%02d:00" % hour for hour in range(8, 18)]
    schedule = [{"at": at, "minutes": 1}]
    more = {"audio_rate": 8000, "audio_codec": "adpcm", "record_schedule": schedule}
    world = World(dict(more, wifi=HOME, heartbeat_minutes=30))
    world.live(DAY)
    return world, [hour * HOUR + 60 for hour in range(8, 18)]


def idle():
    """WiFi at hand, nothing to do but heartbeats each 30 minutes."""
    world = World({"wifi": HOME, "heartbeat_minutes": 30})
    world.live(DAY)
    return world, []


def offline(days=1, comes_s=None):
    """No WiFi in reach, ten recordings pending, heartbeats each 30 minutes."""
    plan = [(comes_s, back)] if comes_s else []
    world = World({"wifi": HOME, "heartbeat_minutes": 30}, plan)
    world.home = False
    world.record(10)
    world.live(days * DAY)
    return world, [comes_s] * 10 if comes_s else []


def week():
    """The same for a week; after six days and a half the WiFi is there."""
    return offline(7, 6 * DAY + DAY // 2)


def offline_cellular():
    """No cellular network in reach, ten recordings pending, heartbeats each 30 minutes."""
    world = World(dict(CELLULAR, heartbeat_minutes=30))
    world.modem.coverage = False
    world.record(10)
    world.live(DAY)
    return world, []


def field():
    """Cellular alone: ten recordings, due an hour after they ended, no heartbeats."""
    world = World(dict(CELLULAR, upload_delay_minutes=60))
    world.record(10)
    world.live(DAY)
    return world, [HOUR] * 10


def weak():
    """Cellular, weaker than the settings allow until the evening; ten recordings pending."""

    def stronger(world):
        world.modem.dbm = -75

    world = World(dict(CELLULAR, heartbeat_minutes=0), [(18 * HOUR, stronger)])
    world.modem.dbm = -109
    world.record(10)
    world.live(DAY)
    return world, [18 * HOUR] * 10


def token():
    """The token is revoked until the evening; ten recordings pending, heartbeats as ever."""

    def valid(world):
        world.service.token = "dtok_a"

    world = World({"wifi": HOME, "heartbeat_minutes": 30}, [(18 * HOUR, valid)])
    world.service.token = "dtok_other"
    world.record(10)
    world.live(DAY)
    return world, [18 * HOUR] * 10


def cap():
    """Cellular, the day's data used up at its beginning; ten recordings, midnight, they go."""

    def midnight(world):
        world.capped_s = world.figures()["cellular_s"]

    world = World(dict(CELLULAR, daily_data_limit_mb=1), [(DAY - 1, midnight)])
    world.record(10)
    used = Durable("/flash/meter")
    from world import START

    used.value = {"day": START // DAY, "bytes": 1000000}
    used.save()
    world.live(DAY + HOUR)
    return world, [DAY] * 10


def battery():
    """WiFi at hand; a cell that is empty in the morning and charged from noon."""

    def level(percent, charging=False):
        def change(world):
            world.percent, world.charging = percent, charging

        return change

    plan = [(3 * HOUR, level(15)), (8 * HOUR, level(4)), (12 * HOUR, level(5, True))]
    plan += [(14 * HOUR, level(60, True)), (16 * HOUR, level(100))]
    world = World({"wifi": HOME, "heartbeat_minutes": 30}, plan)
    world.percent = 30
    world.live(DAY)
    return world, []


def late(world, due):
    """How many went out later than in the first wake at or after the second that they were due,
    or while awake."""
    count = 0
    sent = sorted(world.completed)
    starts = [second for second, _ in world.wakes]
    for i, second in enumerate(sorted(due)):
        if i >= len(sent):
            count += 1
            continue
        wake = [s for s in starts if s >= second]
        following = wake[1] if len(wake) > 1 else world.lived_s
        count += not second <= sent[i] <= following
    return count


PROFILES = {
    "office": office,
    "idle": idle,
    "offline": offline,
    "week": week,
    "offline_cellular": offline_cellular,
    "field": field,
    "weak": weak,
    "token": token,
    "cap": cap,
    "battery": battery,
}
made, due = PROFILES[sys.argv[1]]()
figures = made.figures()
figures["late"] = late(made, due)
figures["pending"] = made.app.store.count_pending()
figures["hours"] = made.lived_s / HOUR
if hasattr(made, "capped_s"):
    figures["cap_radio_s"] = made.capped_s
print(json.dumps(figures))
