"""Files of PyTorch's that attack who opens them, and the beginning of what is to be said of each.

Those that would run something touch a file of the name `MARKER` in the current folder.
"""

import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pytorch.files import Stored, Viewed, pickled, tensors, viewed, write_archive, write_legacy, write_row, write_zip

Make = Callable[[Path], object]
PICKLES: dict[str, tuple[Make, str]] = {}
MARKER = "was_run"
COMMAND = f"touch {MARKER}"

NOT_RUN = "expected weights in FILE as tensors by name, by themselves or under one of {}, got ".format(
    "state_dict, model_state_dict, net_state_dict, netC, net, model"
)
DAMAGE = "expected FILE to be readable as a file of PyTorch's, got damage: "
MEMORY = "expected FILE to be readable in 1,073,741,824 bytes of memory, got one that takes more: "
STORAGE = "expected tensor 'w' in FILE to lie within a storage of numbers, got offset, shape and strides "


def pytorch(said: str) -> Callable[[Make], Make]:
    return lambda make: PICKLES.setdefault(make.__name__, (make, said))[0]


def text(value: str) -> bytes:
    """A string, as a pickle pushes it."""
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def encode(number: int) -> bytes:
    """A large integer, as a pickle pushes it."""
    content = number.to_bytes(11, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


# Pickles that call something, each in another way, by the opcodes that there are for it.

PROGRAMS: dict[str, tuple[bytes, str]] = {
    "system_by_reduce": (b"cposix\nsystem\n" + text(COMMAND) + b"\x85R.", NOT_RUN + "'posix.system', which is not run"),
    "eval_by_reduce": (b"cbuiltins\neval\n" + text(f"open('{MARKER}', 'w')") + b"\x85R.", NOT_RUN + "'builtins.eval'"),
    "getattr_chain": (
        b"cbuiltins\ngetattr\ncbuiltins\n__import__\n"
        + text("os")
        + b"\x85R"
        + text("system")
        + b"\x86R"
        + text(COMMAND)
        + b"\x85R.",
        NOT_RUN + "'builtins.getattr'",
    ),
    "stack_global_with_dots": (
        b"\x80\x04" + text("torch") + text("_utils.os.system") + b"\x93" + text(COMMAND) + b"\x85R.",
        NOT_RUN + "'torch._utils.os.system'",
    ),
    "stack_global_from_a_known_module": (
        b"\x80\x04" + text("torch._utils") + text("_import_dotted_name") + b"\x93" + text("os.system") + b"\x85R.",
        NOT_RUN + "'torch._utils._import_dotted_name'",
    ),
    "inst": (b"(" + text(COMMAND) + b"iposix\nsystem\n.", NOT_RUN + "'posix.system'"),
    "obj": (b"(cposix\nsystem\n" + text(COMMAND) + b"o.", NOT_RUN + "'posix.system'"),
    "newobj": (b"\x80\x02csubprocess\nPopen\n" + text(COMMAND) + b"\x85\x81.", NOT_RUN + "'subprocess.Popen'"),
    "extension": (b"\x80\x02\x82\x01.", DAMAGE + "unregistered extension code 1"),
    "torch_load_again": (b"ctorch\nload\n" + text("net.pth") + b"\x85R.", NOT_RUN + "'torch.load'"),
    "set_up_anew": (
        b"ccollections\nUserDict\n)R}" + text("__setstate__") + b"cposix\nsystem\nsb" + text(COMMAND) + b"b.",
        NOT_RUN + "'collections.UserDict'",
    ),
    "a_function_that_is_set_up": (
        b"ctorch._utils\n_rebuild_parameter\n}" + text("make") + b"cposix\nsystem\nsb.",
        DAMAGE + "a function is set up anew",
    ),
    "a_class_that_is_set_up": (
        b"\x80\x02ca\nb\nN}" + text("__call__") + b"cposix\nsystem\ns\x86b.",
        DAMAGE,
    ),
    "items_of_a_dictionary_that_are_something_else": (
        b"\x80\x02ccollections\nOrderedDict\n)R}" + text("items") + b"cposix\nsystem\nsb.",
        NOT_RUN + "a dictionary of nothing",
    ),
    "codec": (b"c_codecs\nencode\n" + text("a") + text("utf-8") + b"\x86R.", NOT_RUN + "'_codecs.encode'"),
    "called_text": (text("system") + text(COMMAND) + b"\x85R.", DAMAGE),
    "placeholder_among_tensors": (
        b"}" + text("w") + b"cposix\nsystem\n" + text(COMMAND) + b"\x85Rs.",
        NOT_RUN + "a dictionary of w",
    ),
    "a_buffer_from_outside": (b"\x80\x05\x97.", DAMAGE),
    "a_reference_to_a_file": (text("/etc/passwd") + b"Q.", DAMAGE + "a reference to something else than a storage"),
    # What only takes memory, time or the stack of calls.
    "integer_of_gigabytes": (b"\x80\x02\x8b" + struct.pack("<I", 2**31 - 1) + b"1.", ""),
    "integer_of_a_million_digits": (b"\x80\x02L" + b"9" * 10**6 + b"L\n.", DAMAGE + "Exceeds the limit"),
    "bytes_of_terabytes": (b"\x80\x04\x8e" + struct.pack("<Q", 2**42) + b"1.", ""),
    "memo_of_gigabytes": (b"\x80\x02Nr" + struct.pack("<I", 2**31 - 1) + b"0N.", ""),
    "frame_of_exabytes": (b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N.", ""),
    "lists_in_lists": (b"\x80\x02" + b"]" * 10**6 + b"a" * (10**6 - 1) + b".", NOT_RUN + "a value of type list"),
    "a_key_that_is_tuples_in_tuples": (b"\x80\x02}N" + b"\x85" * 10**7 + b"Ns.", ""),
    "billions_by_doubling": (b"\x80\x02)" + b"2\x86" * 10**5 + b".", NOT_RUN + "a value of type tuple"),
    "keys_that_collide": (
        b"\x80\x02}(" + b"".join(encode(number * (2**61 - 1)) + b"N" for number in range(300_000)) + b"u.",
        "expected FILE to be readable in 12 seconds and 1,073,741,824 bytes of memory, got 'CPU time limit exceeded'",
    ),
    "nothing": (b".", DAMAGE),
    "without_an_end": (b"\x80\x02N", DAMAGE),
    "large_lists": (b"\x80\x02(" + b"]" * 30_000_000 + b"l.", MEMORY),
}


def program(name: str, code: bytes, said: str) -> None:
    PICKLES[f"zip_{name}"] = (lambda path: write_archive(path, code, []), said)
    PICKLES[f"row_{name}"] = (lambda path: write_row(path, code, []), said)


for name, (code, said) in PROGRAMS.items():
    program(name, code, said)


# Tensors that are not where they should be.

FOUR = np.ones(4, np.float32)
VIEWS: dict[str, Viewed] = {
    "shape_beyond": Viewed(Stored(FOUR), (5,), (1,)),
    "stride_beyond": Viewed(Stored(FOUR), (2, 2), (3, 1)),
    "stride_backwards": Viewed(Stored(FOUR), (4,), (-1,), 3),
    "offset_beyond": Viewed(Stored(FOUR), (1,), (1,), 4),
    "offset_before": Viewed(Stored(FOUR), (1,), (1,), -1),
    "shape_below_zero": Viewed(Stored(FOUR), (-2, -2), (1, 1)),
    "shape_that_overflows": Viewed(Stored(FOUR), (2**62, 4), (2**62, 1)),
    "shape_of_huge_integers": Viewed(Stored(FOUR), (10**3000,), (0,)),
    "shape_of_fractions": Viewed(Stored(FOUR), (1.5,), (1,)),
    "shape_of_texts": Viewed(Stored(FOUR), ("4",), (1,)),
    "other_strides_than_axes": Viewed(Stored(FOUR), (2, 2), (1,)),
    "many_axes": Viewed(Stored(FOUR), (1,) * 40, (1,) * 40),
    "complex_numbers": Viewed(Stored(FOUR, kind="ComplexFloatStorage"), (2,), (1,)),
}


def view(name: str, tensor: Viewed) -> None:
    PICKLES[f"zip_{name}"] = (lambda path: write_zip(path, {"w": tensor}), STORAGE)
    if name != "complex_numbers":
        PICKLES[f"row_{name}"] = (lambda path: write_legacy(path, {"w": tensor}), STORAGE)


for name, tensor in VIEWS.items():
    view(name, tensor)


@pytorch("expected 'net/data/0' in FILE to hold the 400 bytes that are declared, got 16: ")
def zip_storage_that_is_shorter_than_declared(path: Path) -> None:
    write_zip(path, {"w": Viewed(Stored(FOUR, 100), (100,), (1,))})


@pytorch("expected 'net/data/0' in FILE to hold the 4,000,000,000,000,000 bytes that are declared, got 16: ")
def zip_storage_of_petabytes(path: Path) -> None:
    write_zip(path, {"w": Viewed(Stored(FOUR, 10**15), (4,), (1,))})


@pytorch("expected storage '0' in FILE to hold the 100 numbers that are declared, got 4 in the last 16 bytes: ")
def row_storage_that_is_shorter_than_declared(path: Path) -> None:
    write_legacy(path, {"w": Viewed(Stored(FOUR, 100), (100,), (1,))})


@pytorch("expected at most 536,870,912 parameters in FILE, got 1,152,921,504,606,846,975: not loaded")
def zip_one_number_repeated(path: Path) -> None:
    write_zip(path, {"w": Viewed(Stored(FOUR), (2**60 - 1,), (0,))})


@pytorch("expected at most 16,384 tensors in FILE, got 20,000: not loaded")
def zip_many_tensors(path: Path) -> None:
    shared = viewed(FOUR)
    write_zip(path, {str(number): shared for number in range(20_000)})


@pytorch("expected names of tensors of at most 200 characters in FILE, got xxx")
def zip_long_name(path: Path) -> None:
    write_zip(path, {"x" * 10**6: viewed(FOUR)})


@pytorch("expected names of tensors of at most 200 characters in FILE, got 7: ")
def zip_name_that_is_a_number(path: Path) -> None:
    write_zip(path, {7: viewed(FOUR)})


# Archives.


@pytorch("expected entries of FILE that are stored as they are, as torch.save does, got 'net/byteorder' compressed: ")
def zip_bomb(path: Path) -> None:
    code = b"\x80\x02" + b"N0" * 10**8 + b"."
    write_archive(path, code, [], zipfile.ZIP_DEFLATED)


@pytorch("expected entries of FILE that are stored as they are, as torch.save does, got 'net/data/0' compressed: ")
def zip_bomb_of_a_storage(path: Path) -> None:
    code, _ = pickled({"w": viewed(FOUR)})
    write_archive(path, code, [])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data/0", bytes(10**8))


@pytorch(DAMAGE)
def zip_storage_with_a_path_for_a_name(path: Path) -> None:
    code, _ = pickled({"w": viewed(FOUR)})
    write_archive(path, code.replace(b"X\x01\x00\x00\x000", b"X\x0b\x00\x00\x00/etc/passwd"), [])


@pytorch("expected one data.pkl in the archive FILE, as torch.save writes it, got 0: ")
def zip_names_that_lead_elsewhere(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../data.pkl", pickle.dumps({}))


@pytorch("expected one data.pkl in the archive FILE, as torch.save writes it, got 2: ")
def zip_two_pickles(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}))
        archive.writestr("b/data.pkl", pickle.dumps({}))


@pytorch("expected numbers in FILE to be little-endian, got others: ")
def zip_of_another_byte_order(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", pickle.dumps({}))
        archive.writestr("net/byteorder", "big")


@pytorch(DAMAGE)
def zip_cut_off(path: Path) -> None:
    write_zip(path, tensors({"w": np.ones(1000, np.float32)}))
    path.write_bytes(path.read_bytes()[:-100])


@pytorch(DAMAGE)
def zip_with_a_damaged_storage(path: Path) -> None:
    write_zip(path, tensors({"w": np.full(1000, 3, np.float32)}))
    content = path.read_bytes()
    path.write_bytes(content.replace(np.full(1000, 3, np.float32).tobytes(), np.full(1000, 4, np.float32).tobytes()))


def nested(depth: int) -> Any:
    value: Any = viewed(FOUR)
    for _ in range(depth):
        value = {"model": value}
    return value


@pytorch(NOT_RUN + "a dictionary of model, which is not run")
def zip_state_dict_that_is_too_far_inside(path: Path) -> None:
    write_zip(path, nested(50))
