"""The catalog entry of petnet, the small network whose weights come with the program. No torch."""

from models.entry import Block, NetworkEntry, Preprocessing, Weights

PETNET = NetworkEntry(
    name="petnet",
    title="PetNet",
    family="PetNet",
    summary="Comes with the program: no download, and several times faster than MobileNetV2, but less accurate.",
    preprocessing=Preprocessing(160, 144),
    weights=Weights(
        file_name="petnet.safetensors",
        url=None,
        bytes=3_755_640,
        licence="MIT; distilled from weights trained on ImageNet-1K, whose pictures are for non-commercial research",
        source="distilled from MobileNetV2 by tools.distill; see docs/petnet.md",
    ),
    blocks=(
        Block("stem", "Stem: 32 channels, 32 px", 5_136),
        Block("stage1", "Stage 1: 32 channels, 32 px", 18_560),
        Block("stage2", "Stage 2: 64 channels, 16 px", 57_728),
        Block("stage3", "Stage 3: 128 channels, 8 px", 525_568),
        Block("stage4", "Stage 4: 256 channels, 4 px", 919_040),
        Block("top", "Top: 1280 channels, 4 px", 330_240),
    ),
    feature_width=1280,
    default_freeze="stage3",
)
