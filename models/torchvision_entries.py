"""The catalog entries of torchvision's networks; tests compare it with torchvision's own metadata. No torch.

All weights are the IMAGENET1K_V1 ones.
"""

from models.entry import Block, NetworkEntry, Preprocessing, Weights

# the licence of the code and files, and where the knowledge in them comes from
LICENCE = "BSD-3-Clause (torchvision); trained on ImageNet-1K, whose pictures are for non-commercial research"


def _torchvision(file_name: str, size_bytes: int) -> Weights:
    return Weights(
        file_name=file_name,
        url=f"https://download.pytorch.org/models/{file_name}",
        bytes=size_bytes,
        licence=LICENCE,
        source="torchvision, IMAGENET1K_V1",
    )


def _blocks(*facts: tuple[str, str, int]) -> tuple[Block, ...]:
    return tuple(Block(*fact) for fact in facts)


# Block titles give what leaves the block for the official input: channels, and width and height in pixels.
TORCHVISION_ENTRIES = (
    NetworkEntry(
        name="mobilenet_v2",
        title="MobileNetV2",
        family="MobileNet",
        summary="Made for phones: small, fast and surprisingly good.",
        preprocessing=Preprocessing(256, 224),
        weights=_torchvision("mobilenet_v2-b0353104.pth", 14_212_972),
        blocks=_blocks(
            ("stem", "Stem: 16 channels, 112 px", 1_824),
            ("stage1", "Stage 1: 24 channels, 56 px", 13_968),
            ("stage2", "Stage 2: 32 channels, 28 px", 39_696),
            ("stage3", "Stage 3: 64 channels, 14 px", 183_872),
            ("stage4", "Stage 4: 96 channels, 14 px", 303_168),
            ("stage5", "Stage 5: 160 channels, 7 px", 795_264),
            ("stage6", "Stage 6: 320 channels, 7 px", 473_920),
            ("top", "Top: 1280 channels, 7 px", 412_160),
        ),
        feature_width=1280,
        default_freeze="stage4",
        imagenet_top1=0.71878,
    ),
    NetworkEntry(
        name="mobilenet_v3_small",
        title="MobileNetV3 Small",
        family="MobileNet",
        summary="The fastest of the catalog: made for weak phones, a little less accurate than MobileNetV2.",
        preprocessing=Preprocessing(256, 224),
        weights=_torchvision("mobilenet_v3_small-047dcff4.pth", 10_306_551),
        blocks=_blocks(
            ("stem", "Stem: 16 channels, 112 px", 464),
            ("stage1", "Stage 1: 16 channels, 56 px", 744),
            ("stage2", "Stage 2: 24 channels, 28 px", 9_280),
            ("stage3", "Stage 3: 40 channels, 14 px", 128_264),
            ("stage4", "Stage 4: 48 channels, 14 px", 51_768),
            ("stage5", "Stage 5: 96 channels, 7 px", 680_040),
            ("top", "Top: 576 channels, 7 px", 56_448),
            ("dense", "Dense: 1024 neurons", 590_848),
        ),
        feature_width=1024,
        default_freeze="stage4",
        imagenet_top1=0.67668,
    ),
    NetworkEntry(
        name="squeezenet1_0",
        title="SqueezeNet 1.0",
        family="SqueezeNet",
        summary="The smallest download: squeezes pictures through narrow layers; the least accurate.",
        preprocessing=Preprocessing(256, 224),
        weights=_torchvision("squeezenet1_0-b66bff10.pth", 5_010_551),
        blocks=_blocks(
            ("stem", "Stem: 96 channels, 54 px", 14_208),
            ("fire2_4", "Fire modules 2 to 4: 256 channels, 27 px", 69_696),
            ("fire5_8", "Fire modules 5 to 8: 512 channels, 13 px", 454_336),
            ("fire9", "Fire module 9: 512 channels, 13 px", 197_184),
        ),
        feature_width=512,
        default_freeze="fire5_8",
        imagenet_top1=0.58092,
    ),
    NetworkEntry(
        name="resnet18",
        title="ResNet-18",
        family="ResNet",
        summary="The classic with shortcuts around its layers: sturdy, well understood, fine on a laptop.",
        preprocessing=Preprocessing(256, 224),
        weights=_torchvision("resnet18-f37072fd.pth", 46_830_571),
        blocks=_blocks(
            ("stem", "Stem: 64 channels, 56 px", 9_536),
            ("layer1", "Layer 1: 64 channels, 56 px", 147_968),
            ("layer2", "Layer 2: 128 channels, 28 px", 525_568),
            ("layer3", "Layer 3: 256 channels, 14 px", 2_099_712),
            ("layer4", "Layer 4: 512 channels, 7 px", 8_393_728),
        ),
        feature_width=512,
        default_freeze="layer3",
        imagenet_top1=0.69758,
    ),
    NetworkEntry(
        name="resnet50",
        title="ResNet-50",
        family="ResNet",
        summary="ResNet-18's big sister: more layers, more accurate, about twice as slow.",
        preprocessing=Preprocessing(256, 224),
        weights=_torchvision("resnet50-0676ba61.pth", 102_530_333),
        blocks=_blocks(
            ("stem", "Stem: 64 channels, 56 px", 9_536),
            ("layer1", "Layer 1: 256 channels, 56 px", 215_808),
            ("layer2", "Layer 2: 512 channels, 28 px", 1_219_584),
            ("layer3", "Layer 3: 1024 channels, 14 px", 7_098_368),
            ("layer4", "Layer 4: 2048 channels, 7 px", 14_964_736),
        ),
        feature_width=2048,
        default_freeze="layer3",
        imagenet_top1=0.76130,
    ),
    NetworkEntry(
        name="vgg16",
        title="VGG-16",
        family="VGG",
        summary="Plain layers stacked deep, from 2014: easy to understand, but huge and slow.",
        preprocessing=Preprocessing(256, 224),
        weights=_torchvision("vgg16-397923af.pth", 553_433_881),
        blocks=_blocks(
            ("block1", "Block 1: 64 channels, 112 px", 38_720),
            ("block2", "Block 2: 128 channels, 56 px", 221_440),
            ("block3", "Block 3: 256 channels, 28 px", 1_475_328),
            ("block4", "Block 4: 512 channels, 14 px", 5_899_776),
            ("block5", "Block 5: 512 channels, 7 px", 7_079_424),
            ("dense", "Two dense layers: 4096 neurons each", 119_545_856),
        ),
        feature_width=4096,
        default_freeze="block4",
        imagenet_top1=0.71592,
    ),
    NetworkEntry(
        name="efficientnet_b0",
        title="EfficientNet-B0",
        family="EfficientNet",
        summary="Depth, width and picture size balanced by search: accurate for its size, slower to train.",
        preprocessing=Preprocessing(256, 224, interpolation="bicubic"),
        weights=_torchvision("efficientnet_b0_rwightman-7f5810bc.pth", 21_444_401),
        blocks=_blocks(
            ("stem", "Stem: 32 channels, 112 px", 928),
            ("stage1", "Stage 1: 16 channels, 112 px", 1_448),
            ("stage2", "Stage 2: 24 channels, 56 px", 16_714),
            ("stage3", "Stage 3: 40 channels, 28 px", 46_640),
            ("stage4", "Stage 4: 80 channels, 14 px", 242_930),
            ("stage5", "Stage 5: 112 channels, 14 px", 543_148),
            ("stage6", "Stage 6: 192 channels, 7 px", 2_026_348),
            ("stage7", "Stage 7: 320 channels, 7 px", 717_232),
            ("top", "Top: 1280 channels, 7 px", 412_160),
        ),
        feature_width=1280,
        default_freeze="stage5",
        imagenet_top1=0.77692,
    ),
    NetworkEntry(
        name="convnext_tiny",
        title="ConvNeXt Tiny",
        family="ConvNeXt",
        summary="Convolutions with ideas taken from transformers: very accurate, but slow without a GPU.",
        preprocessing=Preprocessing(236, 224),
        weights=_torchvision("convnext_tiny-983f1562.pth", 114_419_564),
        blocks=_blocks(
            ("stem", "Stem: 96 channels, 56 px", 4_896),
            ("stage1", "Stage 1: 96 channels, 56 px", 237_888),
            ("stage2", "Stage 2: 192 channels, 28 px", 992_256),
            ("stage3", "Stage 3: 384 channels, 14 px", 11_112_960),
            ("stage4", "Stage 4: 768 channels, 7 px", 15_472_128),
        ),
        feature_width=768,
        default_freeze="stage3",
        imagenet_top1=0.82520,
    ),
    NetworkEntry(
        name="vit_b_16",
        title="Vision Transformer B/16",
        family="Vision Transformer",
        summary="Reads a picture as 196 patches that look at each other: no convolutions; slow without a GPU.",
        preprocessing=Preprocessing(256, 224),
        weights=_torchvision("vit_b_16-c867db91.pth", 346_328_529),
        blocks=_blocks(
            ("patches", "Patches: 196 patches of 16 x 16 px", 742_656),
            *((f"layer{place}", f"Encoder layer {place}", 7_087_872) for place in range(1, 12)),
            ("layer12", "Encoder layer 12 and final norm", 7_089_408),
        ),
        feature_width=768,
        default_freeze="layer8",
        imagenet_top1=0.81072,
    ),
)
