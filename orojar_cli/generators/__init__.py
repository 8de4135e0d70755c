"""The networks, one family per file, behind one small protocol."""
