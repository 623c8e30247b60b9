"""The private folder of a search: what its worker processes read, outside the study and for this user's eyes alone.

What workers load is a pickle, and a pickle runs code. So it never lies where others may write or where a study may be
copied from. The folder is removed when the search ends. One that a kill left behind is found by its name, which is made
of the study's path, when a search of the same study begins: that search holds the study's lock, so no other one lives.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

from kerastune_lite.errors import WorkerError


def private_folder(study: Path) -> Path:
    """Makes a fresh folder, which nobody else can read, for the workers of a study's search.

    Raises:
        WorkerError: The system's folder for temporary files can't be written.
    """
    try:
        return Path(tempfile.mkdtemp(prefix=folder_prefix(study)))
    except OSError as error:
        raise WorkerError(cant_be_written(Path(tempfile.gettempdir()), error)) from error


def remove_left_folders(study: Path) -> None:
    """Removes the private folders that killed searches of a study left. Call it with the study's lock held."""
    for folder in Path(tempfile.gettempdir()).glob(f"{folder_prefix(study)}*"):
        if _is_private(folder):
            shutil.rmtree(folder, ignore_errors=True)


def cant_be_written(folder: Path, error: OSError) -> str:
    """What to tell a person whose workers can't be given what they need."""
    return (
        f"What workers need can't be written to {folder}: {error.strerror or error}. Make room there, or let the "
        "environment variable TMPDIR name another folder."
    )


def folder_prefix(study: Path) -> str:
    """What the names of the private folders of a study begin with."""
    return f"kerastune_lite-{hashlib.sha256(os.fsencode(study.absolute())).hexdigest()[:16]}-"


def _is_private(folder: Path) -> bool:
    """Whether it is a folder of this user's that nobody else can read, and not a link to one."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not stat.S_IMODE(status.st_mode) & 0o077
