"""The tag that names the training image by its inputs, so that an unchanged image is not built again."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

from deploy.errors import SettingsError
from deploy.settings import Settings

ROOT = Path(__file__).parent.parent
DOCKERFILE = "training/Dockerfile"
_REMOTE_S = 20


def head_commit(root: Path = ROOT) -> str:
    """Return the checked out commit. Raises SettingsError outside of a git repository."""
    return _git(root, "rev-parse", "HEAD").strip()


def branch_commit(settings: Settings, root: Path = ROOT) -> str | None:
    """Return the newest commit of the configured branch; None if git can't read it."""
    command = ["git", "ls-remote", settings.git_url, f"refs/heads/{settings.git_branch}"]
    environment = os.environ | {"GIT_TERMINAL_PROMPT": "0"}
    try:
        result = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=_REMOTE_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.split()[0] if result.returncode == 0 and result.stdout.strip() else None


def tag(settings: Settings, commit: str, root: Path = ROOT) -> str:
    """Return the tag of the training image at a commit; equal inputs have equal tags.

    The inputs are the Dockerfile, the files that it copies and the build arguments. Raises SettingsError if git does
    not have the commit.
    """
    dockerfile = _git(root, "show", f"{commit}:{DOCKERFILE}")
    entries = _git(root, "ls-tree", "-r", "--full-tree", commit, "--", DOCKERFILE, *copied_paths(dockerfile))
    content = "\n".join([entries, *settings.build_arguments])
    return f"inputs-{hashlib.sha256(content.encode()).hexdigest()[:32]}"


def copied_paths(dockerfile: str) -> list[str]:
    """Return the paths of the context that a Dockerfile copies."""
    return [source for line in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.M) for source in line.split()]


def _git(root: Path, *words: str) -> str:
    try:
        result = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        content = getattr(error, "stderr", None) or str(error)
        raise SettingsError(
            f"git can't read the inputs of the training image: {content.strip()}; build it without --if-changed, "
            "or from a clone that has the commit"
        ) from error
    return result.stdout
