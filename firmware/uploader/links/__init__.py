"""Ways to the network. A link has:

`name` (`host`, `wifi`, `cellular`), `metered` (True where bytes cost money),
`await up()` (returns when traffic can pass, raises LinkError), `await down()`,
`is_up()` (True while traffic can be expected to pass).
"""
