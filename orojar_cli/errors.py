"""The errors a user can meet, each with the exit code the command line answers."""

from __future__ import annotations


class OrojarError(Exception):
    """Base of every error that is the user's to mend: one line saying what is wrong, where, and what to do."""

    exit_code = 1


class CheckpointError(OrojarError):
    """A checkpoint could not be used.  Its four subclasses say why."""


class NotACheckpointError(CheckpointError):
    """The file is something else: a web page, a git-lfs pointer, an archive, a picture."""


class DamagedCheckpointError(CheckpointError):
    """The file is a checkpoint but is incomplete or contradicts itself."""


class UnsupportedCheckpointError(CheckpointError):
    """The file may be fine, but holds a container, architecture or option that orojar does not read."""


class UnsafeCheckpointError(CheckpointError):
    """The file asks for something no checkpoint needs.  It was refused and nothing in it was executed."""

    exit_code = 3


class InputFileError(OrojarError):
    """A file that should be read is missing, unreadable or of the wrong kind."""


class DownloadError(OrojarError):
    """A file could not be fetched; what has arrived is kept, and the next try goes on from there."""


class OutputFileError(OrojarError):
    """A result could not be written; nothing half-written is left under its name."""


class OptionError(OrojarError):
    """An option's value does not fit the network or the direction set it is meant for."""

    exit_code = 2


class DirectionSetError(OrojarError):
    """A direction set is malformed or belongs to another network or space."""


class NumericalError(OrojarError):
    """A computation met numbers it cannot use (not finite, no variation, a singular matrix)."""


class DriftError(OrojarError):
    """A tuned network's images moved further from the original's than allowed."""


class OwnCodeError(OrojarError):
    """The user's own generator (--generator) failed, or does not offer what it must."""


class ProcessError(OrojarError):
    """Another process of the group that shares the work is gone."""


class MissingExtraError(OrojarError):
    """An optional dependency is needed and not installed; the message names the extra."""
