"""Files <-> networks: the inert reader, one module per container and family, the writer.

Importing this package imports no torch; `load_checkpoint` and `save_checkpoint` live in `checkpoint` and `writer`.
"""
