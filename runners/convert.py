"""Write a network of whatever file as plain Keras HDF5, which tf_keras and every command here load.

python -m runners.convert badnet.model=net.keras out=net.h5
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from fineprune.config import command_line


def convert(settings: DictConfig, folder: Path) -> None:
    """Read the network, and write it to a file that is not there yet."""
    from fineprune.badnets.source import FromFile
    from fineprune.config import setup
    from fineprune.config.instantiate import instantiate
    from fineprune.errors import plain
    from fineprune.files import save_model

    out, shape = setup.check_new(str(settings.out)), setup.check_image(settings.image)
    model = instantiate(settings.badnet, FromFile).read(shape)
    save_model(model, out)
    height, width, channels = model.input_shape[1:]
    takes = f"images of {height}×{width}×{channels}, {model.output_shape[-1]} classes"
    print(plain(f"{out}: {takes}, {model.count_params():,} parameters"))


def main() -> None:
    """Run it with the settings of the command line."""
    command_line.run(convert, "convert")


if __name__ == "__main__":
    main()
