"""What a program in a container of the DeepLab console finds ready: event files for the curves, and checkpoints that survive.

    writer = deeplab.SummaryWriter()          # into $DEEPLAB_LOG_DIR
    writer.add_scalar("train/loss", loss, step)

    deeplab.save(deeplab.checkpoint_dir() / "step-100.pt", lambda file: torch.save(state, file))
    last = deeplab.resume_from()              # $DEEPLAB_RESUME_FROM, or the newest checkpoint, or None

Standard library only.
"""
from .checkpoints import checkpoint_dir, checkpoint_every, newest, prune, resume_from, save
from .events import SummaryWriter, read_scalars

__all__ = ["SummaryWriter", "checkpoint_dir", "checkpoint_every", "newest", "prune", "read_scalars", "resume_from", "save"]
__version__ = "1.0"
