"""What differs between modem families. Everything else is 3GPP TS 27.007 and in `cellular`.

Times are minima of the named documents with a margin. Where a document could not be had, what
well-used drivers do is named instead, and is marked (driver).
"""


class Profile:
    """One family.

    `on_ms` and `off_ms`: how long the power key is pressed; `boot_s`: until it answers, at
    most; `register_s`: until it is registered, at most; `off`: the command that powers it
    down, `off_s` how long that takes; `setup`: commands after power-up (AT prefix left out);
    `dial`: tried in this order; `bauds`: where to look for it; `reset_ms`: the reset pin.
    """

    def __init__(
        self,
        on_ms,
        off_ms,
        boot_s,
        off,
        off_s=10,
        setup=(),
        register_s=120,
        dial=("D*99#", "D*99***1#", '+CGDATA="PPP",1'),
        reset_ms=500,
        bauds=(115200, 921600, 460800, 230400, 9600),
    ):
        self.on_ms = on_ms
        self.off_ms = off_ms
        self.boot_s = boot_s
        self.off = off
        self.off_s = off_s
        self.setup = setup
        self.register_s = register_s
        self.dial = dial
        self.reset_ms = reset_ms
        self.bauds = bauds


def sim7600():
    """SIMCom SIM7600 (Cat-1/4). On: 300 ms, off: 2.6 s, in the vendor's examples for
    T-SIM7600 (Xinyuan-LilyGO/T-SIM7600X, PowefOffModem.ino), where 2.5 s is the SIM7500/7600
    hardware design's minimum; AT+CPOF: SIM7500_SIM7600 AT Command Manual V3.00."""
    return Profile(500, 2600, 30, "+CPOF", 30)


def a7670():
    """SIMCom A7670, A7672 (Cat-1). Key and power pins as in Xinyuan-LilyGO/LilyGO-T-A76XX;
    AT+CPOF: A76XX AT command manual, as used by that repository's drivers (driver)."""
    return Profile(500, 3000, 20, "+CPOF")


def sim7670():
    """SIMCom SIM7670, SIM7672 (Cat-1 bis): as A7670 (Xinyuan-LilyGO/LilyGO-T-A76XX treats
    them alike); ATD*99# then PPP is shown by rashidvali/waveshare-esp32-s3-sim7670g-ppp."""
    return Profile(500, 3000, 20, "+CPOF")


def sim7000():
    """SIMCom SIM7000 (LTE-M, NB-IoT, GPRS). Off: 1.2 s minimum, 1.8 to 6.9 s until it is
    (SIM7000 Hardware Design V1.04, table 9); on: 1 s. AT+CPOWD=1, AT+CNMP and AT+CMNB: SIM7000
    Series AT Command Manual: any access technology, LTE-M before NB-IoT."""
    return Profile(
        1100,
        1500,
        15,
        "+CPOWD=1",
        7,
        ("+CNMP=2", "+CMNB=3"),
        300,
        ("D*99***1#", "D*99#", '+CGDATA="PPP",1'),
    )


def sim7080():
    """SIMCom SIM7070, SIM7080 (LTE-M, NB-IoT). Key: more than 1 s "according to manual
    requirements" (Xinyuan-LilyGO/LilyGo-T-SIM7080G examples; Zephyr's simcom,sim7080 has
    1.5 s pulses and 10 s until it answers). AT+CPOWD=1, AT+CNMP, AT+CMNB: SIM7070_SIM7080
    Series AT Command Manual."""
    return Profile(1500, 1500, 15, "+CPOWD=1", 7, ("+CNMP=2", "+CMNB=3"), 300)


def ec25():
    """Quectel EC21, EC25, EG91, EG912 (Cat-1/4). On: 500 ms; reset 150 to 460 ms (EC25
    Hardware Design, section "Turn on and off"); off: at least 650 ms, AT+QPOWD (EC25
    AT Commands Manual). Zephyr's quectel,eg25-g allows 15 s until it answers."""
    return Profile(600, 800, 20, "+QPOWD=1", 30, reset_ms=300)


def bg95():
    """Quectel BG95, BG96 (LTE-M, NB-IoT, GPRS). Key: 500 to 1000 ms on, 650 to 1500 ms off;
    AT+QPOWD, AT+QCFG "iotopmode" 2 (LTE-M and NB-IoT): BG95 AT Commands and QCFG manuals.
    Zephyr's quectel,bg95 allows 10 s until it answers (driver)."""
    return Profile(700, 1000, 15, "+QPOWD=1", 10, ('+QCFG="iotopmode",2,1',), 300)
