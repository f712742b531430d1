"""Choosing the link: in the owner's order, with cool-downs, back to the better one, off when
idle."""

import socket

from micropython import const

from .. import memory
from ..retry import Backoff
from . import addresses

# A link that failed is left alone for up to so long, doubling from _COOL_S.
_NEAR = __name__.rpartition(".")[0] + "."
_COOL_S = const(15)
COOL_MAX_S = const(900)
# What the setting `network_preference` can name.
NAMED = ("wifi", "cellular", "ble")


class LinkManager:
    """Brings one of `links` up when asked, and down when it is no longer needed.

    Their order is that of the setting `network_preference`, which leaves out those it does
    not name; others (`host`, say) come first. `current` is the link in use or None, `policy`
    (a Policy or None) may refuse a link that is up, `emit(event, **info)` tells what happens.
    `lit` are links that failed, and may still be powered: for `choosing`.
    """

    def __init__(self, links, settings, clock, policy, emit):
        self.current = None
        self.policy = policy
        self.links = links
        self.settings = settings
        self.clock = clock
        self._emit = emit
        self.cool = {}  # link name: [Backoff, uptime in ms until which it is left alone]
        self._used_ms = 0  # uptime at which `current` was last used
        self.lit = []
        self._proved = False  # `current` has carried a file
        self._names = []  # what name servers answered, see Resolver

    async def ready(self, quiet=False, radios=None):
        """Bring up the first link that works and is allowed; returns it. `quiet` as a link's,
        of those that settings can name only `radios` if given.

        Raises LinkError with `wait_s`, after which it is worth trying again.
        """
        return await memory.borrow(_NEAR + "choosing").ready(self, quiet, radios)

    def use(self, link):
        """Take note that `link` is the one in use."""
        if link is not self.current:
            self.forget_names()
            self._proved = False
        self.current = link
        self.touch()

    def in_order(self):
        """The links that the settings let be used, in the order in which they are tried."""
        found = [link for link in self.links if link.name not in NAMED]
        for name in self.settings.network_preference:
            found += [link for link in self.links if link.name == name]
        # A preference without any link that there is would cut the device off from whoever
        # could mend it.
        return found or self.links

    def failed(self, reason, code=None):
        """Note that traffic over the current link failed; True if another link can be tried at
        once. The only link there is is not left alone: when it is tried again is decided by
        the caller."""
        link, links = self.current, self.in_order()
        only = len(links) == 1
        if link and (code or not only):
            self._emit("link", link=link.name, state="failing", code=code, reason=reason)
        if link is None or only:
            return False
        self.leave(link)
        for other in links:
            if other is not link and self.left_ms(other) <= 0:
                return True
        return False

    def worked(self):
        """Note that a file went over the current link. Less proves little: where small calls
        pass and files stall, a link would be preferred again and again."""
        self._proved = True
        self.touch()
        if self.current:
            self.cool.pop(self.current.name, None)

    def touch(self):
        """Note that the current link was used."""
        self._used_ms = self.clock.uptime_ms()

    async def drop(self):
        """Take the current link down after a failure; `ready` then brings one up from the
        beginning."""
        link, self.current = self.current, None
        self._proved = False
        if link:
            await self.take_down(link)

    def better(self):
        """True if a link that is preferred to the current one is due to be tried. Not before
        the current one, brought up at some cost, has carried a file."""
        return self._proved and self.current is not None and self.better_s() == 0

    def better_s(self):
        """Seconds until a link that is preferred to the current one is due; None if none is."""
        due = None
        for link in self.in_order():
            if link is self.current:
                break
            left = max(0, self.left_ms(link)) / 1000
            due = left if due is None else min(due, left)
        return due

    def link_up(self):
        """False as soon as the current link is found to be down."""
        return self.current is None or self.current.is_up()

    async def resolve(self, host, port, kind=socket.SOCK_STREAM):
        """The socket addresses of `host` (IPv4 only) for sockets of a `kind`, by the name
        servers of the setting `dns_servers` and the current link's. Raises TransportError
        `dns`.

        Only over a link that has no name servers of its own to tell (`host`), and for localhost
        and multicast DNS, the port's own resolver is asked, which blocks.
        """
        found = getattr(self.current, "name_servers", None)
        servers = self.settings.dns_servers + (found() if found else [])
        local = host == "localhost" or host.endswith(".local")  # RFC 6761, RFC 6762
        if local or host[-1:].isdigit() or not (servers or found):  # an address does not block
            return addresses(host, port, kind)
        from . import resolver

        try:
            found = await resolver.Resolver(self.clock, self._names).resolve(host, servers)
        finally:
            memory.forget(resolver.__name__)
        return [addresses(address, port, kind)[0] for address in found]

    def forget_names(self):
        """Ask anew for every name: the link is another, or what was answered leads nowhere."""
        self._names.clear()

    def meter(self):
        """The DataMeter that counts what passes over the current link; None where bytes cost
        nothing, or without a policy."""
        metered = self.policy and self.current and self.current.metered
        return self.policy.meter if metered else None

    def tell(self, event, **info):
        """Tell what happened to a connection over the link."""
        self._emit(event, **info)

    def override(self):
        """Forget why links were left alone: the owner wishes an upload now, or the rules have
        changed."""
        self.cool.clear()

    def idle_s(self):
        """Seconds until the links are to be powered down; None for never, or if none is on."""
        link = self.current or (self.lit and self.lit[-1])
        if not link:
            return None
        if not self.current and self.settings.patience_s(0):
            return 0  # it failed, and the board is to sleep
        idle_s = self.settings.values.get(link.name + "_idle_timeout_s", -1)
        if idle_s < 0:
            idle_s = self.settings.radio_idle_timeout_s
        if not idle_s:
            return None
        return max(0, self._used_ms + idle_s * 1000 - self.clock.uptime_ms()) / 1000

    async def down(self):
        """Power every link down."""
        self.current = None
        for link in self.links:
            await self.take_down(link)

    async def take_down(self, link):
        """Power a link down."""
        was = link.is_up()
        await link.down()
        if link in self.lit:
            self.lit.remove(link)
        if was and not link.is_up():
            self._emit("link", link=link.name, state="down")
        if link.metered and self.policy:
            self.policy.meter.settle()

    def left_ms(self, link):
        """Milliseconds for which a link is left alone yet; negative if it is not."""
        return self.cool.get(link.name, (None, 0))[1] - self.clock.uptime_ms()

    def leave(self, link, wait_s=0, exactly=False):
        """Leave a link alone for `wait_s` seconds, or longer each time; returns the seconds."""
        if not exactly:
            patience_s = self.settings.patience_s(COOL_MAX_S)
            wait_s = max(wait_s, self.left(link.name)[0].next(patience_s))
        self.left(link.name)[1] = self.clock.uptime_ms() + int(wait_s * 1000)
        return wait_s

    def left(self, name):
        """[Backoff, uptime in ms until which it is left alone] of the link of that name."""
        return self.cool.setdefault(name, [Backoff(self.clock.random, _COOL_S), 0])
