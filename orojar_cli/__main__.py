"""python -m orojar_cli, which is what torchrun -m starts."""

from orojar_cli.cli import main

main()
