"""`make update-test`: updates under power cuts, bundles that do harm, bundles that were changed."""
