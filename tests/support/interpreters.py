"""Find the Python interpreters of this machine."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

# The versions that the newest supported Django runs on, the newest first.
VERSIONS = ("3.14", "3.13", "3.12")


@cache
def for_newest_django() -> tuple[str, Path] | None:
    """Return the newest interpreter that the newest Django runs on, with its version.

    It looks on the PATH and among pyenv's, and takes the version that runs the tests only if there
    is no other.
    """
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for version in sorted(VERSIONS, key=lambda version: version == own):
        for path in _named(f"python{version}"):
            # pyenv's shims exist for versions that are not selected too, and fail.
            ran = subprocess.run(
                [path, "-c", "import ssl, sqlite3"], capture_output=True, check=False
            )
            if ran.returncode == 0:
                return version, path
    return None


def _named(name: str) -> list[Path]:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    on_path = shutil.which(name)
    return [*([Path(on_path)] if on_path else []), *sorted(pyenv.glob(f"versions/*/bin/{name}"))]
