"""Refused files and names, each with what it is, why it is refused, and what to do."""

from collections.abc import Iterable
from typing import Any

from mocotool.errors import FileFormatError

MAX_SHOWN = 80

SUPPORTED_HINT = (
    "supported are StyleGAN2 and 3 pickles, rosinality .pt, BigGAN-PyTorch and DCGAN state dicts, "
    "and our own .safetensors"
)

PLAIN_HINT = "use a StyleGAN2 or StyleGAN3 file instead"

# Module prefix -> (what the file is, what to do). Only for the message: all of it is refused.
KNOWN_PROGRAMS = {
    "dill": (
        "StyleGAN-XL and StyleGAN-T files are written with dill, which stores programs",
        PLAIN_HINT,
    ),
    "omegaconf": (
        "StyleGAN-V and its family pickle their settings with omegaconf",
        PLAIN_HINT,
    ),
    "src.torch_utils": (
        "StyleGAN-V and its family name their networks so",
        PLAIN_HINT,
    ),
    "cloudpickle": ("it is written with cloudpickle, which stores programs", SUPPORTED_HINT),
    "joblib": ("it is a joblib file, not image-generator weights", SUPPORTED_HINT),
    "sklearn": ("it holds a scikit-learn model, not an image generator", SUPPORTED_HINT),
    "pandas": ("it holds a pandas table, not an image generator", SUPPORTED_HINT),
    "torch.nn": (
        "it holds a whole pickled network instead of its weights",
        "in the program that made it, save `model.state_dict()`",
    ),
    "__main__": (
        "it holds an object of the program that made it",
        "in that program, save `model.state_dict()`",
    ),
}


# Names at the top of a table -> what the file is, and what to do.
KNOWN_TABLES = (
    (
        ("GAN",),
        "a lucidrains stylegan2_pytorch model: another architecture than NVIDIA's StyleGAN2",
        "train or download a StyleGAN2 of NVIDIA's or rosinality's",
    ),
    (
        ("down_blocks", "mid_block", "model.diffusion_model", "unet"),
        "a diffusion model, which has no GAN latent space",
        SUPPORTED_HINT,
    ),
    (
        ("embeddings", "generator.gen_z"),
        "a BigGAN-deep of pytorch-pretrained-biggan, which is another architecture than BigGAN",
        "use a generator of BigGAN-PyTorch (G_ema*.pth)",
    ),
    (
        ("generator_ema", "meta"),
        "a checkpoint of mmgen or mmagic, whose names are its own",
        "use the original file that it was converted from",
    ),
    (
        ("enc_cell", "netD"),
        "one of MoCoGAN-HD's own files: a motion model or a discriminator, not an image generator",
        "give it as MOTION: moco sample modelR_epoch_N.pth --pca FOLDER",
    ),
    (
        ("optimizer", "optimizer_state_dict"),
        "a training checkpoint of an unknown program",
        "in that program, save the generator's `state_dict()` alone",
    ),
)

# Part of a tensor's name -> what its network is: near StyleGAN2 or 3, but nothing we compute.
RELATIVES = {
    "synthesis.motion_encoder.": (
        "a StyleGAN-V generator, which makes motion from codes of its own, not by a walk in W"
    ),
    "blur_filters": "a LongVideoGAN generator, which makes whole clips of noise blurred in time",
    "SG3.synthesis.": (
        "a LongVideoGAN network of the second stage, which enlarges the clips of the first"
    ),
    "mapping.embed_proj.": (
        "a StyleGAN-XL generator, whose classes pass an embedding that StyleGAN3 does not have"
    ),
}


def shown(value: Any) -> str:
    """Return a value from a file as short, printable ASCII."""
    text = value if isinstance(value, str) else f"a {type(value).__name__}"
    text = ascii(text)[1:-1]
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def explain_global(module: Any, name: Any) -> FileFormatError:
    """Return the error for a name a pickle asks for and does not get."""
    asked = f"{shown(module)}.{shown(name)}"
    for prefix, (why, hint) in KNOWN_PROGRAMS.items():
        if isinstance(module, str) and (module == prefix or module.startswith(f"{prefix}.")):
            return FileFormatError(
                f"the pickle asks for {asked}, which is refused: {why}", hint=hint
            )
    return FileFormatError(
        f"the pickle asks for {asked}, which no supported format needs, so it is refused",
        hint=f"nothing in the file was run; {SUPPORTED_HINT}",
    )


def refuse_relatives(names: Iterable[str]) -> None:
    """Refuse the tensors of networks that are near StyleGAN2 or 3, but others.

    Raises:
        FileFormatError: A name is one of theirs.
    """
    for name in names:
        for mark, what in RELATIVES.items():
            if mark in name:
                raise FileFormatError(what, hint=PLAIN_HINT)


def explain_tree(tree: Any) -> FileFormatError:
    """Return the error for a file that was read, but holds no generator we know."""
    if not isinstance(tree, dict):
        name = getattr(tree, "name", None)
        what = f"an object of {name}" if isinstance(name, str) else f"a {type(tree).__name__}"
        return FileFormatError(
            f"holds {shown(what)}: not a generator of a known kind", hint=SUPPORTED_HINT
        )
    names = {name for name in tree if isinstance(name, str)}
    tables = [tree, *(value for value in tree.values() if isinstance(value, dict))]
    refuse_relatives(name for table in tables for name in table if isinstance(name, str))
    for marks, what, hint in KNOWN_TABLES:
        if any(name == mark or name.startswith(f"{mark}.") for mark in marks for name in names):
            return FileFormatError(what, hint=hint)
    listed = ", ".join(shown(name) for name in list(tree)[:6]) or "nothing in it"
    return FileFormatError(
        f"holds a table with {listed}: not a generator of a known kind", hint=SUPPORTED_HINT
    )
