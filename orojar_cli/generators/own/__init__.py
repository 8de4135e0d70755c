"""Your own generator: code that orojar does not know, behind the protocol of the families."""
