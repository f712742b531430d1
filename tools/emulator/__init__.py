"""An ESP32 in QEMU with the product on it: `make emulator`, `make emulator-test`."""
