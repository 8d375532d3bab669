"""One file per question: its docstring gives the command, the time it takes and what it found; `main(argv)`
runs it.

`cli` holds what their command lines share: flags, devices, the plan, progress and the report of a sweep.
"""
