"""A model of a day: the whole product in virtual time, and what it costs the battery."""
