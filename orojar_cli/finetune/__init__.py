"""Fine-tuning the mapping: exactly, by a rotation of z, or by training all its layers."""

from orojar_cli.lazily import make_callable

make_callable(__name__)
