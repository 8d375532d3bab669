"""Paths as users write them, and as the storage library can take them.

Orbax looks for its files with a glob, so a folder called `lr[1e-3]` would lose every snapshot: it is given
another name for it.
"""

import glob
import pathlib
import re
import shutil
import tempfile

from grokjax.checkpoints import multihost


def local(directory: str | pathlib.Path) -> pathlib.Path:
    """Returns the absolute path of a directory on this machine, `~` expanded.

    Raises ValueError for an address such as gs://.
    """
    if "://" in str(directory) or re.match(r"[a-z0-9]{2,}:/", str(directory)):
        raise ValueError(f"{directory} is no directory of this machine: other storage is not supported")
    return pathlib.Path(directory).expanduser().absolute()


class Plain:
    """A name for a folder without the special characters of a glob: `path`.

    It is the folder itself, or where that needs one a link to it until `close`. Raises OSError where there
    can be none.
    """

    def __init__(self, folder: pathlib.Path):
        self.path, self._made = folder, None
        if not glob.has_magic(str(folder)):
            return
        advice = "choose a path without [ ] * and ?"
        if multihost.several() or glob.has_magic(tempfile.gettempdir()):
            raise OSError(f"the storage library cannot write to this path: {advice}")
        try:
            self._made = pathlib.Path(tempfile.mkdtemp(prefix="grokjax-"))
            self.path = self._made / folder.name
            self.path.symlink_to(folder, target_is_directory=True)
        except OSError as error:
            raise OSError(f"the storage library cannot write to this path ({error}): {advice}") from error

    def close(self) -> None:
        """Removes the link; the folder stays."""
        if self._made is not None:
            self.path.unlink(missing_ok=True)
            shutil.rmtree(self._made, ignore_errors=True)
