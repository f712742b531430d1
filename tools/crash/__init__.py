"""`make crash-test`: power cuts and kills at every moment."""
