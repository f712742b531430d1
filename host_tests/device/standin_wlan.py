"""The stand-in for network.WLAN is no kinder than the port: verdicts that stick, scans that find
nothing, success that is the last network's."""

from _support import raises
from chip import Chip
from wlan import AccessPoint, Network, Wlan


def radio(*aps):
    chip = Chip()
    wlan = Wlan(chip, aps)
    wlan.active(True)
    chip.busy(20)
    return chip, wlan


def home(**more):
    ap = AccessPoint("home", "12345678", -60)
    for name, value in more.items():
        setattr(ap, name, value)
    return ap


def joined(*aps):
    chip, wlan = radio(*aps)
    wlan.connect("home", "12345678")
    chip.busy(2000)
    assert wlan.isconnected()
    return chip, wlan


def test_the_verdict_of_the_last_attempt_is_read_right_after_the_next_connect():
    chip, wlan = radio()
    wlan.config(reconnects=0)
    wlan.connect("home", "12345678")
    chip.busy(3000)
    assert wlan.status() == 201
    wlan.air.append(home())
    wlan.disconnect()  # was not connected: raises no event
    wlan.connect("home", "12345678")
    assert wlan.status() == 201 and not wlan.isconnected()
    chip.busy(500)
    assert wlan.status() == 201  # associated by now, and waiting for an address
    chip.busy(500)
    assert wlan.status() == 1010 and wlan.isconnected()


def test_switching_the_radio_off_does_not_clear_the_verdict():
    chip, wlan = radio()
    wlan.config(reconnects=0)
    wlan.connect("home")
    chip.busy(3000)
    wlan.active(False)
    wlan.active(True)
    assert wlan.status() == 201


def test_right_after_disconnect_it_is_still_connected():
    chip, wlan = joined(home(), AccessPoint("work", "abcdefgh"))
    wlan.config(reconnects=2)
    wlan.disconnect()
    assert wlan.isconnected() and wlan.status() == 1010
    wlan.connect("work", "abcdefgh")
    assert wlan.isconnected()  # to the network that it is leaving
    chip.busy(20)
    assert not wlan.isconnected()
    assert wlan.status() == 1000  # "idle", though it connects
    chip.busy(1000)
    assert wlan.isconnected() and wlan.config("ssid") == "work"


def test_a_wrong_key_shows_only_when_the_driver_gives_up():
    chip, wlan = radio(home())
    wlan.config(reconnects=2)
    wlan.connect("home", "not right")
    chip.busy(4000)
    assert wlan.status() == 1001
    chip.busy(6000)
    assert wlan.status() == 15 and wlan.joins == 3
    chip, wlan = radio(home(wrong_key=202))
    wlan.connect("home", "not right")
    chip.busy(4000)
    assert wlan.status() == 202  # that one shows while it tries again
    chip, wlan = radio(home(reason=2))
    wlan.connect("home", "12345678")  # for ever: reconnects is -1 at first
    chip.busy(100000)
    assert wlan.status() == 1001 and wlan.joins > 100


def test_a_key_for_an_open_network_and_none_for_a_closed_one_have_names_of_their_own():
    for key, ap_key, status in (("12345678", "", 211), (None, "12345678", 210)):
        chip, wlan = radio(AccessPoint("home", ap_key))
        wlan.connect("home", key)
        chip.busy(3000)
        assert wlan.status() == status


def test_a_scan_while_the_driver_reconnects_finds_nothing_at_once():
    chip, wlan = joined(home(), AccessPoint("work", "x"))
    wlan.remove("home")
    chip.busy(7000)
    before = chip.us
    assert wlan.scan() == [] and chip.us == before
    wlan.disconnect()
    assert [r[0] for r in wlan.scan()] == [b"work"] and chip.us - before == 2500000


def test_a_scan_before_the_radio_is_on_finds_nothing_and_says_nothing():
    wlan = Wlan(Chip(), [home()])
    assert wlan.scan() == []
    raises(OSError, wlan.disconnect)
    raises(OSError, wlan.connect, "home", "12345678")
    raises(OSError, lambda: wlan.config(channel=3))


def test_a_scan_holds_python_up():
    chip, wlan = radio(home())
    ran = []
    chip.schedule(ran.append, 1)
    wlan.scan()
    assert not ran


def test_connect_takes_a_name_a_key_and_a_bssid_by_name_only():
    chip, wlan = radio(home(channel=6))
    for call in (
        lambda: wlan.connect("home", key="12345678"),
        lambda: wlan.connect("home", "12345678", b"123456"),
        lambda: wlan.connect("home", "12345678", channel=6),
    ):
        raises(TypeError, call)
    raises(ValueError, lambda: wlan.connect("home", "12345678", bssid=b"short"))
    wlan.config(channel=6)
    wlan.connect("home", "12345678")
    assert wlan.config("channel") == 0


def test_connecting_twice_raises():
    chip, wlan = radio(home())
    wlan.connect("home", "12345678")
    assert "State" in str(raises(OSError, wlan.connect, "home", "12345678"))
    chip.busy(2000)
    assert "Internal Error" in str(raises(OSError, wlan.connect, "home", "12345678"))
    assert wlan.isconnected()


def test_the_first_channel_wins_not_the_stronger_signal_unless_the_bssid_is_given():
    far = home(rssi=-85, channel=1, bssid=b"\x02far__")
    near = home(rssi=-40, channel=11, bssid=b"\x02near_")
    for bssid, rssi in ((None, -85), (b"\x02near_", -40)):
        chip, wlan = radio(near, far)
        wlan.connect("home", "12345678", bssid=bssid)
        chip.busy(2000)
        assert wlan.status("rssi") == rssi
    chip, wlan = radio(near)
    wlan.connect("home", "12345678", bssid=b"\x02far__")
    chip.busy(3000)
    assert wlan.status() == 201


def test_loss_is_seen_seconds_later_and_it_tries_to_come_back_by_itself():
    chip, wlan = joined(home())
    wlan.remove("home")
    chip.busy(5900)
    assert wlan.isconnected()
    chip.busy(200)
    # 200 is one of those that show only when nothing is tried any more.
    assert not wlan.isconnected() and wlan.status() == 1001
    wlan.air.append(home())
    chip.busy(4000)
    assert wlan.isconnected()


def test_a_lost_address_is_not_seen_at_all():
    _, wlan = joined(home())
    assert wlan.ifconfig() == ("10.0.0.2", "255.255.255.0", "10.0.0.1", "10.0.0.1")
    wlan.lose_address()
    assert wlan.isconnected() and wlan.ipconfig("addr4") == ("0.0.0.0", "0.0.0.0")


def test_without_dhcp_it_is_associated_and_connecting_for_ever():
    chip, wlan = radio(home(dhcp=False))
    wlan.connect("home", "12345678")
    chip.busy(60000)
    assert wlan.status("rssi") == -60 and wlan.status() == 1001 and not wlan.isconnected()


def test_a_hidden_network_is_in_the_scan_without_its_name():
    chip, wlan = radio(home(hidden=True))
    assert [r[0] for r in wlan.scan()] == [b""]
    wlan.connect("home", "12345678")
    chip.busy(2000)
    assert wlan.isconnected()


def test_what_the_port_raises():
    chip, wlan = radio(home())
    assert str(raises(OSError, wlan.status, "rssi")) == "Wifi Not Connected"
    raises(ValueError, wlan.status, "colour")
    raises(ValueError, wlan.ipconfig, "dns")
    raises(ValueError, lambda: wlan.config(colour=1))
    wlan.active(False)
    wlan.out_of_memory = True
    raises(OSError, wlan.active, True)
    network = Network(wlan)
    assert network.WLAN() is network.WLAN(network.STA_IF) is wlan


def test_switching_off_ends_a_connection_and_an_attempt():
    chip, wlan = joined(home())
    wlan.active(False)
    assert not wlan.isconnected() and not wlan.active()
    wlan.active(True)
    wlan.connect("home", "12345678")
    wlan.active(False)
    chip.busy(5000)
    assert not wlan.isconnected()
