"""The metrics' names, read without torch by the command line; those of networks and the agreement compare.

`WORLDS` are those whose factors can be measured.
"""

OF_DIRECTIONS = ("orthogonality", "hessian", "activeness", "predictability", "direction_length", "ground_truth")
OF_NETWORKS = ("path_length", "distribution")
WORLDS = ("shapes", "bars", "sprites")
AGREEMENT = "agreement"
NAMES = (*OF_DIRECTIONS, *OF_NETWORKS, AGREEMENT)
