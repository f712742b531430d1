"""Stand-ins for what an ESP32 does: see README.md."""
