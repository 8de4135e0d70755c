"""Checkpoints from https addresses: the one room that opens the network."""
