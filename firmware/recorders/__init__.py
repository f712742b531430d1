"""Users of the uploader: what captures."""
