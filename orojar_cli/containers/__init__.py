"""Files as inert records: containers recognised by content, pickles read without executing anything.  No network is known here."""
