"""What the architecture in a stranger's file may name. Whatever is not here is refused."""

from __future__ import annotations

CONTAINERS = {"Functional", "Model", "Sequential"}

# Keras's own, which carry no code, and whose cost `keras_build` can add up.
LAYERS = set(
    """
    InputLayer Dense Activation Identity Flatten Reshape Permute
    Conv1D Conv2D Conv1DTranspose Conv2DTranspose DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D
    BatchNormalization LayerNormalization GroupNormalization UnitNormalization
    ReLU LeakyReLU PReLU ELU ThresholdedReLU Softmax
    MaxPooling1D MaxPooling2D AveragePooling1D AveragePooling2D
    GlobalMaxPooling1D GlobalMaxPooling2D GlobalAveragePooling1D GlobalAveragePooling2D
    Dropout SpatialDropout1D SpatialDropout2D GaussianNoise GaussianDropout AlphaDropout ActivityRegularization
    ZeroPadding1D ZeroPadding2D Cropping1D Cropping2D UpSampling1D UpSampling2D
    Rescaling Normalization Resizing CenterCrop
    Add Subtract Multiply Average Maximum Minimum Concatenate
    """.split()
)

# Change nothing in inference, but images wherever nobody says that it is inference: read as layers that never do.
AUGMENTATIONS = set(
    """
    RandomBrightness RandomContrast RandomFlip RandomHeight RandomRotation RandomTranslation RandomWidth RandomZoom
    """.split()
)

PARTS = set(
    """
    Zeros Ones Constant RandomNormal RandomUniform TruncatedNormal VarianceScaling Orthogonal Identity
    GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform
    L1 L2 L1L2 MaxNorm MinMaxNorm NonNeg UnitNorm Policy
    """.split()
)

# By these names alone; Keras would accept the name of anything in its module.
FUNCTIONS = set(
    """
    elu exponential gelu hard_sigmoid leaky_relu linear log_softmax mish relu relu6 selu sigmoid silu softmax softplus
    softsign swish tanh
    l1 l2 l1_l2 max_norm min_max_norm non_neg unit_norm
    """.split()
)

SAFE = CONTAINERS | LAYERS | PARTS

# Keras's own as well, and no code either: refused because nobody has made them work, or added up what they cost.
NOT_YET = set(
    """
    AdditiveAttention Attention Bidirectional CategoryEncoding ConvLSTM1D ConvLSTM2D ConvLSTM3D Discretization Dot
    EinsumDense Embedding GRU GRUCell HashedCrossing Hashing IntegerLookup LSTM LSTMCell LocallyConnected1D
    LocallyConnected2D Masking MultiHeadAttention RNN RepeatVector SimpleRNN SimpleRNNCell
    SpectralNormalization StackedRNNCells StringLookup TextVectorization TimeDistributed SlicingOpLambda
    AveragePooling3D Conv3D Conv3DTranspose Cropping3D GlobalAveragePooling3D GlobalMaxPooling3D MaxPooling3D
    SpatialDropout3D UpSampling3D ZeroPadding3D
    """.split()
)

# Those of Keras 3 alone, or to which it gives another meaning.
NOT_YET |= {"QuantizedDTypePolicy"}
NOT_YET |= set(
    """
    AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D
    AdaptiveMaxPooling3D AugMix AutoContrast ContrastLimitedAdaptiveHistogramEqualization CutMix Equalization
    GroupQueryAttention GroupedQueryAttention MaxNumBoundingBoxes MelSpectrogram MixUp Pipeline RMSNormalization
    STFTSpectrogram RandAugment RandomColorDegeneration
    RandomColorJitter RandomElasticTransform RandomErasing RandomGaussianBlur RandomGrayscale RandomHue RandomInvert
    RandomPerspective RandomPosterization RandomSaturation RandomSharpness RandomShear ReversibleEmbedding Solarization
    celu glu hard_shrink hard_silu hard_swish hard_tanh log_sigmoid soft_shrink sparse_plus sparsemax squareplus
    sparse_sigmoid tanh_shrink threshold
    """.split()
)
