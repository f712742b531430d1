"""Ways to the network. A link has:

`name` (`host`, `wifi`, `cellular`), `metered` (True where bytes cost money),
`await up(may, quiet)` (returns when traffic can pass, raises LinkError; where `metered` it asks
`may()` for a Refusal before the first byte is charged; while `quiet`, a recording being under
way, it does nothing that holds Python up for long), `await down()` (powers it off; never
raises, safe at any time), `is_up()` (True while traffic can be expected to pass),
`signal_dbm()` (None if unknown), `connection` (the heartbeat's name for it, None if it has
none), and where `metered`: `roaming()`. It may have `await network_time()` (Unix seconds or
None).
"""
