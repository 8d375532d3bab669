"""Does a sweep survive its disk? Full, read-only, shared, copied, moved, removed, files of other times."""

import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from experiments.reliability import commands, outcomes

FLAGS = (
    "--task=modular --modulus=7 --d_model=8 --heads=2 --train_fraction=0.5 --epoch_steps=10 --seeds=2"
    " --steps=80 --save=all --evaluate_every=10"
)
EPOCHS = list(range(9))
YEARS = {"1970": 0, "2099": 4_070_908_800}


def run(folder: pathlib.Path, cases: int) -> dict[str, Any]:
    """Tries the first `cases` of CASES. Returns which were tried, which could not be, and what went wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = sweep(folder / "whole")
    assert not whole.status, whole.words
    expected = outcomes.read(folder / "whole", EPOCHS)
    failures, tried, not_tried = list[str](), list[str](), list[str]()
    for name, case in list(CASES.items())[:cases]:
        own = folder / name.replace(" ", "-")
        try:
            wrong = case(own, folder / "whole") or compared(own, expected)
            tried.append(name)
            failures += [f"{name}: {each}" for each in wrong]
        except NotHereError as error:
            not_tried.append(f"{name}: {error}")
        finally:
            unmount(own / "disk")
    return dict(tried=tried, not_tried=not_tried, failures=failures)


def compared(own: pathlib.Path, expected: dict[str, Any]) -> list[str]:
    """Returns what differs from the uninterrupted sweep; nothing where the case leaves no sweep."""
    sweeps = [path for path in (own / "disk" / "sweep", own) if (path / "config.json").is_file()]
    found = outcomes.verdicts(outcomes.read(sweeps[0], EPOCHS), expected) if sweeps else {}
    return [f"{thing} is {verdict}" for thing, verdict in found.items() if verdict != outcomes.FINE]


class NotHereError(Exception):
    """This machine cannot try a case."""


def flags(directory: pathlib.Path, *more: str) -> list[str]:
    """Returns the command's flags for a directory."""
    return [*FLAGS.split(), *more, "--resume", f"--output={directory}"]


def sweep(directory: pathlib.Path, *more: str) -> commands.Ended:
    """Runs the command, or goes on with it."""
    return commands.run(flags(directory, *more))


def refused(ended: commands.Ended, words: str, status: int = 1) -> list[str]:
    """Returns what is wrong with a refusal: its status, its words, a traceback."""
    last = ended.words.strip().splitlines()[-1:]
    right = ended.status == status and last and words in last[0] and "Traceback" not in ended.words
    return [] if right else [f"status {ended.status}: {ended.words[-400:]}"]


def fine(ended: commands.Ended) -> list[str]:
    """Returns what is wrong with a command that should have ended well."""
    return [] if ended.status == 0 else [f"status {ended.status}: {ended.words[-400:]}"]


def mounted(own: pathlib.Path, size: str) -> pathlib.Path:
    """Returns a small file system of its own."""
    disk = own / "disk"
    disk.mkdir(parents=True)
    if not sys.platform.startswith("linux"):
        raise NotHereError("small file systems are mounted on Linux only")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotHereError(f"a small file system cannot be mounted: {done.stderr.strip()}")
    return disk


def remount(disk: pathlib.Path, options: str) -> None:
    """Changes a mounted file system."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def unmount(disk: pathlib.Path) -> None:
    """Takes a file system away, if it is one."""
    if disk.is_mount():
        subprocess.run(["umount", "-l", str(disk)], check=False)


def full(size: str, words: str) -> Callable[[pathlib.Path, pathlib.Path], list[str]]:
    """Returns the case of a disk that is full at some moment, and then has room."""

    def case(own: pathlib.Path, whole: pathlib.Path) -> list[str]:
        disk = mounted(own, "16m")
        first = sweep(disk / "sweep", "--dry_run")
        remount(disk, f"size={size}")
        (disk / "sweep").mkdir()
        ended = stopped_by_the_disk(disk, size)
        remount(disk, "size=64m")
        return fine(first) + refused(ended, words) + fine(sweep(disk / "sweep"))

    return case


def stopped_by_the_disk(disk: pathlib.Path, size: str) -> commands.Ended:
    """Runs the command on a disk that shrinks once it has begun: the plan would refuse it at once."""
    remount(disk, "size=16m")
    process = commands.start(flags(disk / "sweep"))
    commands.wait(process, (disk / "sweep" / "config.json").is_file)
    remount(disk, f"size={size}")
    return commands.finish(process)


def read_only(own: pathlib.Path, whole: pathlib.Path) -> list[str]:
    """The file system becomes read-only under a sweep that was killed, and is writable again later."""
    disk = mounted(own, "64m")
    killed_halfway(disk / "sweep")
    remount(disk, "ro")
    ended = sweep(disk / "sweep")
    remount(disk, "rw")
    return refused(ended, "not a folder that you may write to", 2) + fine(sweep(disk / "sweep"))


def read_only_while_it_trains(own: pathlib.Path, whole: pathlib.Path) -> list[str]:
    """The sweep's folder becomes read-only while it trains: a read-only view of it is mounted over it."""
    folder = mounted(own, "64m") / "sweep"
    process = commands.start(flags(folder, "--steps=100000", "--save=every:40"))
    commands.wait(process, (folder / "checkpoints" / "part-0" / "40").is_dir)
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
    ended = commands.finish(process)
    subprocess.run(["umount", "-l", str(folder)], check=True)
    shutil.rmtree(folder)
    shutil.copytree(whole, folder)
    return refused(ended, "could not be written")


def shared(own: pathlib.Path, whole: pathlib.Path) -> list[str]:
    """A second process on the directory, also when the lock's file is gone; then the first is killed."""
    process = commands.start(flags(own, "--steps=100000", "--save=0"))
    other = flags(own, "--steps=100000", "--save=0")
    commands.wait(process, (own / "checkpoints" / "part-0" / "0").is_dir)
    wrong = refused(commands.run(other), "is being written by another process", 2)
    (own / ".lock").unlink()
    wrong += refused(commands.run(other), "is being written by another process", 2)
    if not commands.kill(process):
        wrong.append("the first process ended by itself")
    shutil.rmtree(own)
    shutil.copytree(whole, own)
    (own / ".lock").touch()
    return wrong + fine(sweep(own))


def killed_halfway(own: pathlib.Path) -> None:
    """Leaves a sweep that has not ended."""
    process = commands.start(flags(own))
    commands.wait(process, (own / "checkpoints" / "part-0" / "3").is_dir)
    commands.kill(process)


def copied(own: pathlib.Path, whole: pathlib.Path) -> list[str]:
    """A copy of a sweep that has not ended is gone on with, then the sweep itself."""
    killed_halfway(own)
    copy = own.with_name(f"{own.name}-copy")
    shutil.copytree(own, copy)
    wrong = fine(sweep(copy)) + fine(sweep(own))
    found = outcomes.verdicts(outcomes.read(copy, EPOCHS), outcomes.read(own, EPOCHS))
    return wrong + [
        f"the copy's {thing} is {verdict}" for thing, verdict in found.items() if verdict != "fine"
    ]


def moved(own: pathlib.Path, whole: pathlib.Path) -> list[str]:
    """A sweep that has not ended is moved, gone on with, and moved back."""
    killed_halfway(own)
    other = own.with_name("else where [1]")
    own.rename(other)
    wrong = fine(sweep(other))
    other.rename(own)
    return wrong


def removed(own: pathlib.Path, whole: pathlib.Path) -> list[str]:
    """The directory is removed while it trains."""
    process = commands.start(flags(own, "--steps=100000", "--save=every:1"))
    commands.wait(process, (own / "checkpoints" / "part-0" / "3").is_dir)
    own.rename(own.with_name("removed"))
    ended = commands.finish(process)
    shutil.rmtree(own.with_name("removed"))
    shutil.rmtree(own, ignore_errors=True)
    return refused(ended, "") if ended.status else ["it ended as if nothing had happened"]


def of_years(year: str) -> Callable[[pathlib.Path, pathlib.Path], list[str]]:
    """Returns the case of a clock that was elsewhere when the files were written."""

    def case(own: pathlib.Path, whole: pathlib.Path) -> list[str]:
        killed_halfway(own)
        for path in own.rglob("*"):
            os.utime(path, (YEARS[year], YEARS[year]))
        return fine(sweep(own))

    return case


def cache_damaged(own: pathlib.Path, whole: pathlib.Path) -> list[str]:
    """Every program in JAX's compilation cache is damaged: half cut, half with changed bytes."""
    cache = own.with_name("compiled")
    environment = dict(JAX_COMPILATION_CACHE_DIR=str(cache))
    wrong = fine(commands.run(flags(own), None, **environment))
    shutil.rmtree(own)
    programs = sorted(path for path in cache.rglob("*") if path.is_file() and path.stat().st_size > 100)
    if not programs:
        return [*wrong, "nothing was kept in the compilation cache"]
    for i, path in enumerate(programs):
        content = bytearray(path.read_bytes())
        middle = len(content) // 2
        if i % 2:
            del content[middle:]
        else:
            content[middle : middle + 16] = b"\xff" * 16
        path.write_bytes(content)
    return wrong + fine(commands.run(flags(own), None, **environment))


CASES: dict[str, Callable[[pathlib.Path, pathlib.Path], list[str]]] = {
    "moved": moved,
    "copied": copied,
    "removed while it trains": removed,
    "two processes": shared,
    "files of 1970": of_years("1970"),
    "files of 2099": of_years("2099"),
    "full at once": full("20k", "the disk is full"),
    "full while it saves": full("300k", "the disk is full"),
    "full at the report": full("900k", "the disk is full"),
    "read-only": read_only,
    "read-only while it trains": read_only_while_it_trains,
    "compilation cache damaged": cache_damaged,
}
"""Each leaves a sweep that must then be the uninterrupted one."""
