"""What a file from a stranger may ask for. More is refused in one line, before it is read or built."""

# Of a network: VGG-16 has 138 million parameters, 3.2 million values in its largest activation, and takes 15 billion
# multiplications an image; NASNet-Large has 1,041 layers, and an architecture of 0.8 MB.
CONFIG_BYTES = 2**23  # of the architecture's JSON
CONFIG_DEPTH = 64  # how deeply lists and objects are nested in it
CALLS = 4096  # of layers; those of a network inside the network count each time that it is called
PARAMETERS = 2**29  # 2 GiB of them
INPUTS = 2**14  # of all these calls together
SETTINGS = 2**22  # numbers and texts in the settings of all these calls: 16 MiB of constants
ARCHIVED = 2**33  # bytes of weights in an archive: so many parameters, and what an optimiser keeps of each
TENSORS = 2**16  # that a SavedModel names; what lies beyond is as if it were not there
CLASSES = 2**16  # ImageNet-21k has 21,843
ACTIVATION = 2**23  # values an image of any one tensor; a block of 256 images takes 8 GiB of them
MULTIPLICATIONS = 2**38  # an image: a minute or two on one core
SECONDS_TO_BUILD = 120  # NASNet-Large takes ten

# Of a data set, which is read block by block, and may be larger than memory.
IMAGES = 2**25  # labels are held in memory: 256 MiB
IMAGE_VALUES = 2**21  # pixels times channels, as 836 × 836 in colour; a block of 256 images takes 2 GiB
CHUNK_BYTES = 2**27  # what the file's author made HDF5 read at once

# Of the process that reads a file for this one.
MEMORY = 2**30
UNPACKED = 2**37  # bytes on disk, for as long as they are needed, and no more than half of what is free
SECONDS = 10  # of computing, and more for a large file:
BYTES_A_SECOND = 2_000_000
