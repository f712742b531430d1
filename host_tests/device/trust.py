"""The search for another root: which are tried, when, and at what pace."""

from _support import Ticks, fails, folder
from wire import settings

from uploader import trust
from uploader.errors import TransportError

LOST = "certificate refused: The certificate is not correctly signed by the trusted CA"


def write(name, numbers):
    """A bundle of the roots of these numbers."""
    with open(folder() + "/%s.der" % name, "wb") as f:
        for i in numbers:
            f.write(b"root%02d" % i)
    with open(folder() + "/%s.txt" % name, "w") as f:
        for at, i in enumerate(numbers):
            f.write("%d 6 %016x Root %d\n" % (6 * at, i, i))


class Hosts:
    """What a host shows: `attempt` succeeds under `root` alone. A root is known by its bytes,
    so that no certificate is needed."""

    def __init__(self, count):
        self.root = None
        self.tried = []
        self.own = {}
        self.error = TransportError("cert", LOST)
        write("bundle", range(count))
        self.settings = settings(storage=folder(), root_bundle=folder() + "/bundle")
        self.ticks = Ticks()
        self.search = trust.Search(self.settings, "api.test", self.ticks.ticks_ms)

    async def attempt(self):
        self.tried.append(self.own["api.test"])
        if self.own["api.test"] != self.root:
            raise self.error
        return "answer"

    async def find(self, error=None):
        self.tried = []
        return await self.search.find(error or self.error, self.own, self.attempt)


class Fake:
    """tls, for roots that are none: a context is its root's bytes."""

    PROTOCOL_TLS_CLIENT = CERT_REQUIRED = 0

    class SSLContext(bytearray):
        def __init__(self, protocol):
            super().__init__()

        def load_verify_locations(self, der):
            self.extend(der)


def hosts(count):
    trust.tls = Fake
    return Hosts(count)


async def test_four_roots_a_round_and_a_round_in_five_minutes():
    h = hosts(10)
    h.root = b"root09"
    await fails(TransportError, h.find())
    assert h.tried == [b"root00", b"root01", b"root02", b"root03"], h.tried
    h.ticks.ms += 299000
    await fails(TransportError, h.find())
    assert h.tried == []
    h.ticks.ms += 1000
    await fails(TransportError, h.find())
    assert h.tried == [b"root04", b"root05", b"root06", b"root07"]
    h.ticks.ms += 300000
    assert await h.find() == ("answer", "Root 9")
    assert h.tried == [b"root08", b"root09"]
    assert trust.Durable(h.settings.state + "/trust").value == {"api.test": "%016x" % 9}


async def test_roots_that_an_update_brought_come_after_the_others_and_once():
    before, trust.BROUGHT = trust.BROUGHT, folder() + "/brought"
    try:
        h = hosts(2)
        write("brought", (1, 7, 0, 8))
        h.root = b"root08"
        assert await h.find() == ("answer", "Root 8")
        assert h.tried == [b"root00", b"root01", b"root07", b"root08"], h.tried
        assert trust.context(h.settings, "%016x" % 8) == b"root08"
    finally:
        trust.BROUGHT = before


async def test_a_search_that_was_cut_by_a_reboot_goes_on_where_it_was():
    h = hosts(10)
    h.root = b"root05"
    await fails(TransportError, h.find())
    h.search = trust.Search(h.settings, "api.test", h.ticks.ticks_ms)
    assert (await h.find())[1] == "Root 5" and h.tried == [b"root04", b"root05"]


async def test_after_the_last_root_it_begins_again_with_the_first():
    h = hosts(3)
    h.root = b"none"
    await fails(TransportError, h.find())
    assert h.tried == [b"root00", b"root01", b"root02"]
    assert h.own["api.test"] is None, "what it was before"
    h.root = b"root00"
    h.ticks.ms += 300000
    assert (await h.find())[1] == "Root 0"


async def test_the_way_back_is_tried_first():
    h = hosts(3)
    h.root = b"root02"
    await h.find()
    h.root = None
    h.search = trust.Search(h.settings, "api.test", h.ticks.ticks_ms)
    assert await h.find() == ("answer", "")
    assert h.tried == [None]
    assert trust.Durable(h.settings.state + "/trust").value == {}


async def test_only_a_verdict_not_trusted_and_nothing_else_begins_a_search():
    for text in (
        LOST + ", The certificate Common Name (CN) does not match with the expected CN",
        LOST + ", The certificate validity has expired",
        "certificate refused: The certificate Common Name (CN) does not match with the expected CN",
        "root certificate /x.der is not usable DER: -8576",
    ):
        h = hosts(3)
        h.root = b"root00"
        await fails(TransportError, h.find(TransportError("cert", text)))
        assert h.tried == [], text
    await fails(TransportError, h.find(TransportError("tls", LOST)))


async def test_another_fault_under_a_root_that_is_trusted_ends_the_search():
    """The name is wrong, or the line broke: neither says that the root was the wrong one."""
    for kind, text in (
        ("cert", "certificate refused: The certificate validity has expired"),
        ("closed", "x"),
    ):
        h = hosts(4)
        h.root = b"none"
        h.error = TransportError(kind, text)
        e = await fails(TransportError, h.find(TransportError("cert", LOST)))
        assert e.kind == kind and len(h.tried) == 1
        assert "api.test" not in trust.Durable(h.settings.state + "/trust").value


async def test_hosts_that_are_remembered_are_bounded():
    h = hosts(2)
    h.root = b"root01"
    for i in range(8):
        search = trust.Search(h.settings, "h%d" % i, h.ticks.ticks_ms)
        own = {}

        async def attempt():
            if own["h%d" % i] != h.root:  # noqa: B023 it is called at once
                raise h.error

        await search.find(h.error, own, attempt)
    kept = trust.Durable(h.settings.state + "/trust").value
    assert len(kept) == 4 and "h7" in kept
