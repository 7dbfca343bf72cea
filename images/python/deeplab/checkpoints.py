"""Checkpoints: where they go, which is the last, and a save that a kill or a power cut at any moment leaves whole."""
import os
import re
from pathlib import Path

_UNFINISHED = ".unfinished"


def checkpoint_dir():
    """$DEEPLAB_CHECKPOINT_DIR, made if absent; None when the job keeps no checkpoints."""
    folder = os.environ.get("DEEPLAB_CHECKPOINT_DIR")
    if not folder:
        return None
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return path


def checkpoint_every(default=100):
    """Steps from one checkpoint to the next: $DEEPLAB_CHECKPOINT_EVERY."""
    return int(os.environ.get("DEEPLAB_CHECKPOINT_EVERY") or default)


def _checkpoints(folder):
    """Oldest first: by the last number in the name (the step), then by time."""
    def age(path):
        numbers = re.findall(r"\d+", path.stem)
        return int(numbers[-1]) if numbers else -1, path.stat().st_mtime_ns

    return sorted((p for p in Path(folder).iterdir() if p.is_file() and not p.name.endswith(_UNFINISHED)), key=age)


def newest(folder):
    found = _checkpoints(folder) if Path(folder).is_dir() else []
    return found[-1] if found else None


def resume_from():
    """The checkpoint to go on from: $DEEPLAB_RESUME_FROM (a file, or a folder of them), else the newest in the checkpoint
    folder, else None. One that was asked for and is not there is an error: training from the start instead would hide it."""
    asked = os.environ.get("DEEPLAB_RESUME_FROM")
    if asked:
        path = Path(asked)
        found = newest(path) if path.is_dir() else path
        if found is None or not found.exists():
            raise FileNotFoundError(f"DEEPLAB_RESUME_FROM: no checkpoint at {asked}")
        return found
    folder = checkpoint_dir()
    return newest(folder) if folder else None


def save(path, write_fn):
    """Calls `write_fn(file)` on a file beside `path` and puts it in place once it is safely stored."""
    path = Path(path)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}{_UNFINISHED}")
    try:
        with open(unfinished, "wb") as file:
            write_fn(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself is stored in the folder
    finally:
        os.close(folder)


def prune(folder, keep):
    """Removes all but the newest `keep` checkpoints, and what killed saves have left."""
    for path in Path(folder).glob(f"*{_UNFINISHED}"):
        path.unlink(missing_ok=True)
    for path in _checkpoints(folder)[:-keep or None]:
        path.unlink(missing_ok=True)
