"""What each part takes in each state, in mA at the battery's 3.7 V or so; none of it was measured
here, and a board's regulators, LEDs and dividers come on top.

The chip as a whole: ESP32 Series Datasheet, "Power Consumption by Power Modes" and "Current
Consumption Characteristics" (the upper of two figures where it gives a range; MicroPython runs an
ESP32 at 160 MHz): deep sleep with RTC timer and RTC memory 10 uA, light sleep 0.8 mA, modem-sleep
at 160 MHz 27 to 44 mA, receiving 95 to 100 mA, transmitting 802.11b 240 mA. ESP32-S3 Series
Datasheet, the same tables: 8 uA, 0.24 mA, at 160 MHz up to 54 mA, 91 mA, 340 mA (as commonly
quoted: not looked up).

Modems: SIM7000, of the SIM7080's kind (LTE-M): off 7 uA, idle 11 mA, data at 23 dBm 167 mA
(SIM7000 hardware design, as github.com/botletics/SIM7000-LTE-Shield/wiki/Current-Consumption has
it). SIM7600 and A7670 (Cat-4, Cat-1), as commonly quoted of SIMCom's hardware designs, not looked
up: off 20 uA, idle and searching 20 and 60 mA, data 550 and 400 mA.
"""

CHIPS = {
    "esp32": {"deep": 0.010, "doze": 0.8, "awake": 44, "rx": 100, "tx": 240},
    "esp32s3": {"deep": 0.008, "doze": 0.24, "awake": 54, "rx": 91, "tx": 340},
}
MODEMS = {
    "sim7080": {"off": 0.007, "search": 60, "idle": 11, "data": 167},
    "sim7600": {"off": 0.020, "search": 60, "idle": 20, "data": 550},
    "a7670": {"off": 0.020, "search": 60, "idle": 20, "data": 400},
}
# From waking to `App`: the boot loader, MicroPython, importing from littlefs. Assumed, on the safe
# side: MicroPython's prompt takes 0.3 s, importing the module the rest; not measured on a chip.
BOOT_MS = 3000
# A TLS handshake: 1 to 2 s of an ESP32's CPU; bytes both ways with a chain of three.
HANDSHAKE_MS = 1500
HANDSHAKE_BYTES = 5000
# An answer's way there and back, and the bytes that pass in a second.
LINKS = {"wifi": (40, 250000), "cellular": (120, 60000)}
# A modem that is switched on: until it answers (SIM7600's examples wait 13 s), and is registered.
MODEM_BOOT_MS = 13000
REGISTER_MS = 5000
