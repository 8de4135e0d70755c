"""One function an operation, with its defaults and checks: what a notebook calls and what a command calls.

Every operation takes what it works on, then options by name; `progress(stage, done, total)` and `notice(line)` say how far it is.
With `outdir` it writes the numbered run that the command of its name writes.  Results show, save and describe themselves.
"""
