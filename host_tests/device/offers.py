"""What is remembered of offers over reboots."""

from _support import Link as Standin
from _support import fails, folder
from wire import settings

from updates import only
from updates.go import Busy, Update
from updates.offer import TRIES, Kept, parse
from uploader import __version__
from uploader.errors import LinkError

OFFER = {"version": "2", "size": 5, "crc32": "0000000a", "url": "https://a.test/1"}


class Link:
    name, metered = "cellular", True


class App:
    """What an Update needs of an app: a metered link, and no recording."""

    def __init__(self):
        self.settings = self.clock = self.up = self.links = self.control = self
        self.state = folder()
        self.busy = self.trial = self.only_records = self.alone = False
        self.policy = None
        self.events = []

    def now(self):
        return 1000000

    async def ready(self, quiet):
        return Link()

    def emit(self, event, **info):
        self.events.append(info)


async def test_a_metered_link_is_left_alone_unless_provisioning_says_otherwise():
    app = App()
    assert await Update(app, OFFER).run() == 1800
    assert app.events == [{"state": "deferred", "reason": "cellular is metered"}]
    assert kept().value["url"] == OFFER["url"], "it is not forgotten"


class Board:
    """One with a modem alone."""

    def __init__(self):
        self.modem = Standin("cellular", metered=True)

    def links(self, settings, clock, on_event):
        return [self.modem]


async def test_a_boot_with_the_update_alone_counts_metered_bytes_and_keeps_the_rules():
    provisioned, only.provisioned = only.provisioned, lambda: {"metered": True}
    try:
        board = Board()
        alone = only.Only(board, settings(storage=folder(), daily_data_limit_mb=1))
    finally:
        only.provisioned = provisioned
    await alone.links.ready(False)
    alone.links.meter().add(1000001)
    assert alone.policy.link(board.modem).rule == "cap"
    await alone.links.down()
    board.modem.roams = True
    await fails(LinkError, alone.links.ready(False))


async def test_without_leave_to_use_them_metered_links_need_no_rules():
    alone = only.Only(Board(), settings(storage=folder()))
    await alone.links.ready(False)
    assert alone.policy is None and alone.links.meter() is None


async def test_nothing_is_fetched_while_something_is_recorded_and_it_is_kept():
    app = App()
    app.busy = True
    assert await Update(app, OFFER).run() == 60
    assert app.events == [] and kept().due(1)
    app.busy = False
    await fails(Busy, begun(app))


async def begun(app):
    update = Update(app)
    await update.between()
    app.busy = True
    await update.between()


async def test_what_runs_already_and_what_failed_is_no_news():
    for offered in (dict(OFFER, version=__version__), dict(OFFER, url=5)):
        app = App()
        assert await Update(app, offered).run() is None
        assert not kept().value.get("url")
    k = kept()
    k.take(parse(OFFER))
    k.end("broken")
    app = App()
    assert await Update(app, OFFER).run() is None and app.events == []


def kept():
    return Kept(folder())


def test_an_offer_outlives_a_power_cut():
    assert kept().take(parse(OFFER))
    assert kept().value["url"] == OFFER["url"] and kept().due(1000)


def test_what_failed_is_not_tried_at_once_and_in_the_end_not_at_all():
    k = kept()
    k.take(parse(OFFER))
    now, waits = 1000000, []
    while True:
        wait = kept().again(now)
        if wait is None:
            break
        waits.append(wait)
        assert not kept().due(now + wait - 1) and kept().due(now + wait)
        # The same offer again, as heartbeats repeat it, is no reason to hurry.
        assert kept().take(parse(OFFER)) and not kept().due(now + 1)
        now += wait
    assert len(waits) == TRIES - 1 and waits == sorted(waits) and waits[0] >= 60


def test_what_failed_for_good_is_not_tried_again_but_another_is():
    k = kept()
    k.take(parse(OFFER))
    k.end("the signature is wrong")
    assert not kept().take(parse(OFFER)) and not kept().value.get("url")
    assert kept().failed(parse(OFFER)) == "the signature is wrong"
    assert kept().take(parse(dict(OFFER, crc32="0000000b")))
    assert kept().take(parse(dict(OFFER, version="3")))


def test_another_offer_forgets_what_failed_of_the_one_before():
    k = kept()
    k.take(parse(OFFER))
    k.again(1000)
    assert kept().take(parse(dict(OFFER, version="3"))) and kept().due(1000)


def test_a_clock_that_was_wrong_does_not_put_it_off_for_ever():
    k = kept()
    k.take(parse(OFFER))
    k.again(4000000000)
    assert kept().due(1800000000)


def test_an_expired_url_is_asked_for_once_and_the_new_one_taken():
    k = kept()
    k.take(parse(OFFER))
    assert k.expired() and not kept().due(1) and not kept().expired()
    assert kept().take(parse(dict(OFFER, url="https://a.test/2")))
    assert kept().due(1) and kept().value["url"] == "https://a.test/2"
    assert kept().expired(), "and that one may expire, too"


def test_what_is_no_manifest_is_none():
    for wrong in (
        {},
        {"version": "2"},
        {"url": "https://a.test"},
        {"version": 2, "url": "https://a.test"},
        {"version": "2", "url": ["https://a.test"]},
        {"version": "2", "url": "https://a.test/" + "x" * 3000},
    ):
        assert parse(wrong) is None, wrong
    odd = parse(dict(OFFER, crc32="none", size="many"))
    assert odd["crc"] is None and odd["size"] is None
