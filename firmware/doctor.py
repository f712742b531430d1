"""What an upload needs, looked at one by one: `app.doctor()` at the REPL, `make doctor` at a desk.

Loaded when asked. Nothing is recorded or uploaded.
"""

import asyncio

from recorders import trial

from uploader import memory
from uploader.api import DeviceApi
from uploader.clock import iso
from uploader.errors import ApiError, LinkError, StorageError, TransportError
from uploader.http import Http
from uploader.request import split_url

# Where the upload-url reference's example has its files.
S3_URL = "https://bota-uploads.s3.amazonaws.com"
# No recording has this id: a token that is taken gets 404 for it, another 401 or 403.
_NONE = "doctor"
_LISTEN_S = 1
_QUIET_DB = -80
_REMEDIES = {
    "dns": "is that address right, and does the network let names be looked up? dns_servers",
    "not_tls": "the network shows a login page: use another",
    "cert": "no root on the device vouches for it: make provision, from a network without a"
    " TLS proxy",
    "cert_time": "the clock is wrong, see above",
    "memory": "restart the device and look again before it has recorded",
}


def show(name, ok, text):
    """Print a line: `ok` is True, False, or None for what can't be said."""
    print("%-5s %-11s %s" % ({True: "ok", False: "BAD"}.get(ok, "-"), name, text))


def run(app, tell=show, s3_url=S3_URL, http=None):
    """Look at everything; `app` is an App that is not running (Ctrl-C). `tell(name, ok, text)`
    is called for each thing. `http` (an Http) is made if left out."""
    # What Ctrl-C left behind would go on otherwise.
    asyncio.new_event_loop()
    app.up.let_go()
    asyncio.run(examine(app, tell, s3_url, http))


async def examine(app, tell, s3_url=S3_URL, http=None):
    """As `run`, within a loop."""
    _flash(app, tell)
    _battery(app, tell)
    await _microphone(app, tell)
    await reach(app, tell, s3_url, http)


async def reach(app, tell, s3_url=None, http=None):
    """Look at what lies between the device and the service; S3 is left out without its address."""
    if not await _network(app, tell):
        for name in ("names", "clock", "API", "S3", "token"):
            tell(name, None, "not looked at: there is no network")
        return
    await _names(app, tell, [url for url in (app.settings.api_url, s3_url) if url])
    await _clock(app, tell)
    http = http or Http(app.settings, app.up.links)
    try:
        await _service(app, tell, http)
        http.close()
        if s3_url:
            await _s3(tell, http, s3_url)
    finally:
        http.close()


def _flash(app, tell):
    try:
        free, total = app.store.space.sizes()
    except StorageError as e:
        return tell("storage", False, "%s; is the card in, and formatted as FAT?" % e)
    text = "%d of %d KB free in %s" % (free >> 10, total >> 10, app.store.directory)
    if free < app.settings.low_space_bytes:
        return tell("storage", False, text + "; upload or pull what it holds")
    tell("storage", True, text)


def _battery(app, tell):
    percent = app.board.battery() if app.board.battery else None
    if percent is None:
        return tell("battery", None, "none, or not known")
    least = app.settings.low_battery_threshold_percent
    if percent < least and app.settings.pause_on_low_battery:
        return tell("battery", False, "%d %%: uploads wait for %d %%; charge it" % (percent, least))
    tell("battery", True, "%d %%" % percent)


async def _microphone(app, tell):
    try:
        heard = await trial.listen(app.board, app.clock, _LISTEN_S)
    except (MemoryError, OSError, ValueError) as e:
        return tell("microphone", False, "it can't be opened: %s; see the pins in board.py" % e)
    if heard is None:
        return tell("microphone", None, "this board has none")
    level, constant = heard
    if constant or level < _QUIET_DB:
        return tell("microphone", False, "it gives no sound: see its wires and power")
    tell("microphone", True, "%d dBFS; 0 is the loudest that fits" % level)


async def _network(app, tell):
    links = app.up.links
    links.override()
    try:
        link = await links.ready()
    except LinkError as e:
        tell("network", False, "%s; see `link` in the troubleshooting table" % e)
        return False
    dbm = link.signal_dbm()
    name = getattr(link, "ssid", None) or link.name
    tell("network", True, name if dbm is None else "%s, %d dBm" % (name, dbm))
    return True


async def _names(app, tell, urls):
    found = []
    for url in urls:
        try:
            _, host, port, _ = split_url(url, True)
            address = (await app.up.links.resolve(host, port))[0]
        except TransportError as e:
            return tell("names", False, _said(e))
        found.append("%s is %s" % (host, address[0]) if isinstance(address, tuple) else host)
    tell("names", True, "; ".join(found))


async def _clock(app, tell):
    clock = app.clock
    clock.follow()
    if clock.now() is None:
        from uploader import timesync

        try:
            await timesync.find(clock, app.up.links, app.settings.ntp_server, _silent)
        finally:
            memory.forget(timesync.__name__)
    if clock.now() is None:
        server = app.settings.ntp_server or "none"
        text = "no source gave the time, and certificates need it; ntp_server is " + server
        return tell("clock", False, text)
    tell("clock", True, "%s by %s" % (iso(clock.now()), clock.source))


def _silent(*_, **more):
    pass


async def _service(app, tell, http):
    api = DeviceApi(http, app.settings, app.clock, app.store.credentials.token)
    url = app.settings.api_url
    try:
        await api.complete(_NONE)
        status = 200
    except TransportError as e:
        tell("API", False, "%s: %s" % (url, _said(e)))
        return tell("token", None, "not looked at: the API was not reached")
    except ApiError as e:
        status, text = e.status, str(e)
    if status >= 500 or status == 429:
        tell("API", False, "%s says %s; try again later" % (url, text))
        return tell("token", None, "not looked at: the API is not in order")
    tell("API", True, "%s is who it says it is" % url)
    if status in (401, 403):
        return tell(
            "token",
            False,
            "refused: %s; the device needs a new one, and keeps what it recorded" % text,
        )
    tell("token", True, "the service takes it")


async def _s3(tell, http, url):
    try:
        await http.request("GET", url, max_body=0)
    except TransportError as e:
        return tell("S3", False, "%s: %s" % (url, _said(e)))
    # Without a signature it refuses, which is an answer.
    tell("S3", True, "%s is who it says it is" % url)


def _said(error):
    remedy = _REMEDIES.get(error.kind, "does the network let this through?")
    return "%s; %s" % (error, remedy)
