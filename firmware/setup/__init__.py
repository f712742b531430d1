"""Set-up without a computer: an access point and a page, in place of the app."""
