"""`make pictures`: what the READMEs show, taken from the real things."""
