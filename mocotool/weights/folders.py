"""Folders given where a file of weights is expected."""

from pathlib import Path

from mocotool.errors import FileFormatError
from mocotool.weights.refusals import SUPPORTED_HINT


def choose_in_folder(folder: Path) -> Path:
    """Return the generator's file in the folder of a BigGAN-PyTorch run.

    Raises:
        FileFormatError: The folder is something else, or has several candidates.
    """
    if (folder / "model_index.json").exists():
        raise FileFormatError(
            f"{folder}: a diffusers pipeline, which has no GAN latent space", hint=SUPPORTED_HINT
        )
    averaged = sorted(folder.glob("G_ema*.pth"))
    # "G_ema.pth" is the newest, then "G_ema_best0.pth"; "G_ema_copy0.pth" are older ones.
    for name in ("G_ema.pth", "G_ema_best0.pth", "G_ema_best.pth"):
        if folder / name in averaged:
            return folder / name
    if len(averaged) == 1:
        return averaged[0]
    if averaged:
        names = ", ".join(path.name for path in averaged[:6])
        raise FileFormatError(f"{folder}: holds several generators: {names}", hint="name one file")
    if (folder / "config.json").exists():
        raise FileFormatError(
            f"{folder}: a Hugging Face model folder, whose program is not in it",
            hint=SUPPORTED_HINT,
        )
    raise FileFormatError(
        f"{folder}: a folder without BigGAN weights (G_ema*.pth)", hint="name a file of weights"
    )
