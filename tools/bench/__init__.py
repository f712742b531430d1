"""`make bench`: what it costs, beside the alternatives."""
