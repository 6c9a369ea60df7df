"""Files and names that are refused, each with what it is, why not, and what to do."""

from typing import Any

from mocotool.errors import FileFormatError

MAX_SHOWN = 80

SUPPORTED_HINT = (
    "supported are StyleGAN2 and 3 pickles, rosinality .pt, BigGAN-PyTorch and DCGAN state dicts, "
    "and our own .safetensors"
)

# Module prefix -> (what the file is, what to do). Only for the message: all of it is refused.
KNOWN_PROGRAMS = {
    "dill": (
        "StyleGAN-XL and StyleGAN-T files are written with dill, which stores programs",
        "use a StyleGAN2, StyleGAN3 or StyleGAN2-ADA file instead",
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


def explain_tree(tree: Any) -> FileFormatError:
    """Return the error for a file that was read, but holds no generator we know."""
    if isinstance(tree, dict):
        names = [shown(name) for name in list(tree)[:6]]
        what = f"holds a table with {', '.join(names) or 'nothing in it'}"
    else:
        what = f"holds {shown(tree)}"
    return FileFormatError(f"{what}: not a generator of a known kind", hint=SUPPORTED_HINT)
