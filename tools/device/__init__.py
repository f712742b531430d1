"""`make flash deploy provision status doctor logs pull repl`: a device over USB, by mpremote."""
