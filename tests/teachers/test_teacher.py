"""Real teachers against their recorded outputs; frozen; bad files and images give one clear error."""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.models import resnet18

from ppkt_zoo.errors import InputError, TeacherError
from ppkt_zoo.teachers.teacher import VOC_CLASSES, Teacher, TeacherSpec, load_teacher, normalisation_of

DEEPLAB = TeacherSpec(architecture="deeplabv3_mobilenet_v2", stage="concat_projection", weights="file")
RESNET = TeacherSpec(architecture="resnet18", stage="layer4", weights="IMAGENET1K_V1")
RESNET_FILE = "resnet18-f37072fd.pth"
GetTeacher = Callable[..., Teacher]
Frame = Callable[..., Tensor]


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize(
    ("architecture", "key", "size"),
    [("deeplabv3_mobilenet_v2", "deeplab", (385, 513)), ("mobilenet_v2", "mobilenet", (240, 320))],
)
def test_recorded_outputs(
    real_teacher: GetTeacher, kitchen: Frame, shared: Path, architecture: str, key: str, size: tuple, fuse: bool
) -> None:
    teacher = real_teacher(architecture, fuse=fuse)
    recorded = np.load(shared / "teachers" / "reference_outputs.npz")
    image = kitchen(*size)
    for got, name in ((teacher(image), f"{key}_features"), (teacher.logits(image), f"{key}_logits")):
        want = torch.from_numpy(recorded[name]).float()
        assert got[0].shape == want.shape
        # fp16 keeps 11 bits: half a unit in the last place of the largest number
        assert (got[0] - want).abs().max() < 2**-11 * want.abs().max()


def test_stages_are_one_network(real_teacher: GetTeacher, kitchen: Frame) -> None:
    image = kitchen(129, 161)
    features, projection, logits = (
        real_teacher("deeplabv3_mobilenet_v2", stage) for stage in ("features", "concat_projection", "logits")
    )
    assert (features.channels, projection.channels, logits.channels) == (320, 256, 21)
    assert features.stride == projection.stride == logits.stride == 16
    assert projection(image).shape == (1, 256, 9, 11)
    assert torch.equal(logits(image), features.logits(image))
    assert torch.allclose(projection.network.logits(projection(image)), logits(image), atol=1e-5)  # type: ignore[operator]
    middle = real_teacher("mobilenet_v2", "features.13")
    assert (middle.channels, middle.stride) == (96, 16)
    assert middle(image).shape == (1, 96, 9, 11)


def test_finds_furniture_in_the_kitchen(real_teacher: GetTeacher, kitchen: Frame) -> None:
    best = real_teacher("deeplabv3_mobilenet_v2").logits(kitchen(385, 513)).argmax(1)
    found = {VOC_CLASSES[i] for i in best.unique()}
    assert len(VOC_CLASSES) == 21
    assert found & {"chair", "diningtable", "tvmonitor"}


def test_frozen(real_teacher: GetTeacher, kitchen: Frame) -> None:
    teacher = real_teacher("mobilenet_v2", fuse=False)
    holder = nn.ModuleDict({"teacher": teacher}).train()
    assert not any(m.training for m in holder["teacher"].modules())
    assert not any(p.requires_grad for p in teacher.parameters())
    image = kitchen(96, 96)
    before = copy.deepcopy(teacher.state_dict())
    with torch.enable_grad():
        features = teacher(image.requires_grad_())
    assert not features.requires_grad
    assert not torch.is_inference(features), "the UPL must be able to keep them for its backward pass"
    assert all(torch.equal(before[name], tensor) for name, tensor in teacher.state_dict().items())
    assert torch.equal(copy.deepcopy(teacher)(image), teacher(image))


def test_image_size_resizes_first(deeplab_file: Path, kitchen: Frame) -> None:
    teacher = load_teacher(DEEPLAB.model_copy(update={"image_size": (129, 161)}), deeplab_file)
    assert teacher(kitchen(240, 320)).shape == (1, 256, 9, 11)
    assert teacher.feature_size((240, 320)) == (9, 11)


def test_loading_leaves_the_random_state(deeplab_file: Path) -> None:
    torch.manual_seed(3)
    want = torch.rand(4)
    torch.manual_seed(3)
    load_teacher(DEEPLAB, deeplab_file)
    assert torch.equal(torch.rand(4), want)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (torch.zeros(3, 64, 64), r"\(B, 3, H, W\)"),
        (torch.zeros(1, 4, 64, 64), r"\(B, 3, H, W\)"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "divide uint8 by 255"),
        (torch.full((1, 3, 64, 64), 255.0), r"\[0, 1\]"),
        (torch.full((1, 3, 64, 64), -0.5), "do not normalise"),
        (torch.full((1, 3, 64, 64), float("nan")), r"\[0, 1\]"),
    ],
)
def test_bad_images(real_teacher: GetTeacher, images: Tensor, words: str) -> None:
    with pytest.raises(InputError, match=words):
        real_teacher("mobilenet_v2")(images)


def test_sha256(deeplab_file: Path, tmp_path: Path) -> None:
    sha256 = "ec13ee5dfdb0e0b98e70bbb04cb1b0d9f3594b5077c33d5e3a324fbc2bd99128"
    pinned = DEEPLAB.model_copy(update={"sha256": sha256})
    assert load_teacher(pinned, deeplab_file).sha256 == sha256
    changed = tmp_path / "changed.safetensors"
    data = bytearray(deeplab_file.read_bytes())
    data[len(data) // 2] ^= 1
    changed.write_bytes(data)
    with pytest.raises(TeacherError, match=f"the spec asks for {sha256}"):
        load_teacher(pinned, changed)


def test_damaged_files(deeplab_file: Path, mobilenet_file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.safetensors"
    with pytest.raises(TeacherError, match="does not exist"):
        load_teacher(DEEPLAB, bad)
    for size in (0, 5, 1000, 100_000):
        bad.write_bytes(deeplab_file.read_bytes()[:size])
        with pytest.raises(TeacherError, match="cut, damaged or no safetensors file"):
            load_teacher(DEEPLAB, bad)
    with pytest.raises(TeacherError, match=r"missing: aspp0.weight.*unknown: .*classifier"):
        load_teacher(DEEPLAB, mobilenet_file)

    tensors = load_file(deeplab_file)
    save_file(tensors | {"logits.bias": torch.zeros(20)}, bad)
    with pytest.raises(TeacherError, match=r"logits.bias \(20,\) instead of \(21,\)"):
        load_teacher(DEEPLAB, bad)
    save_file(tensors | {"logits.bias": torch.full((21,), float("nan"))}, bad)
    with pytest.raises(TeacherError, match=r"NaN or infinite numbers in logits\.bias"):
        load_teacher(DEEPLAB, bad)
    save_file(tensors | {"more": torch.zeros(1)}, bad)
    with pytest.raises(TeacherError, match="unknown: more"):
        load_teacher(DEEPLAB, bad)


def test_a_file_without_classifier_gives_features_only(tmp_path: Path) -> None:
    file = tmp_path / "moco.safetensors"
    tensors = {name: t for name, t in resnet18().state_dict().items() if not name.startswith("fc.")}
    save_file(tensors, file)
    teacher = load_teacher(RESNET.model_copy(update={"weights": "file"}), file)
    assert (teacher.channels, teacher.stride) == (512, 32)
    assert teacher(torch.rand(2, 3, 64, 96)).shape == (2, 512, 2, 3)
    with pytest.raises(TeacherError, match="held no classifier"):
        teacher.logits(torch.rand(1, 3, 64, 64))
    save_file(tensors | {"fc.bias": torch.zeros(1000)}, file)
    with pytest.raises(TeacherError, match=r"missing: fc\.weight"):
        load_teacher(RESNET.model_copy(update={"weights": "file"}), file)


def test_fused_resnet_is_the_same(tmp_path: Path) -> None:
    file = tmp_path / "resnet.safetensors"
    network = resnet18()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    save_file(network.state_dict(), file)
    spec = RESNET.model_copy(update={"weights": "file"})
    images = torch.rand(1, 3, 96, 96)
    plain, fused = (load_teacher(spec, file, fuse=fuse) for fuse in (False, True))
    torch.testing.assert_close(fused(images), plain(images), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(fused.logits(images), plain.logits(images), rtol=1e-4, atol=1e-4)
    normalised = (images - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    torch.testing.assert_close(plain.logits(images), network.eval()(normalised), rtol=1e-4, atol=1e-4)


def test_torchvision_weights_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / RESNET_FILE
    cached.parent.mkdir(parents=True)
    network = resnet18()
    torch.save(network.state_dict(), cached)
    teacher = load_teacher(RESNET, fuse=False)
    assert torch.equal(teacher.network.state_dict()["layer4.1.conv2.weight"], network.layer4[1].conv2.weight)
    assert teacher.sha256 is not None
    with pytest.raises(TeacherError, match="sha256"):
        load_teacher(RESNET.model_copy(update={"sha256": "0" * 64}))
    for size in (0, 1000, cached.stat().st_size // 2):
        cached.write_bytes(cached.read_bytes()[:size])
        with pytest.raises(TeacherError, match=rf"{RESNET_FILE} are cut or damaged.*delete the file"):
            load_teacher(RESNET)
        torch.save(network.state_dict(), cached)


def test_torchvision_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    # a proxy that nobody answers at: the download fails at once, on machines with a network too
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(TeacherError, match="could not be downloaded") as caught:
        load_teacher(RESNET)
    for words in (f"https://download.pytorch.org/models/{RESNET_FILE}", str(tmp_path / "hub" / "checkpoints"), "file"):
        assert words in str(caught.value)


def test_unknown_torchvision_weights() -> None:
    with pytest.raises(TeacherError, match="did you mean 'IMAGENET1K_V1'"):
        load_teacher(RESNET.model_copy(update={"weights": "IMAGENT1K_V1"}))
    with pytest.raises(TeacherError, match="no weights 'DEFAULT'"):
        load_teacher(RESNET.model_copy(update={"weights": "DEFAULT"}))


def test_file_and_weights_must_agree(deeplab_file: Path) -> None:
    with pytest.raises(TeacherError, match="give the path"):
        load_teacher(DEEPLAB)
    with pytest.raises(TeacherError, match="only with weights='file'"):
        load_teacher(RESNET, deeplab_file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stage": "layer4"}, "it has: features, concat_projection, logits, features.0 to features.17"),
        ({"stage": "features.18"}, "no feature stage"),
        ({"architecture": "resnet18"}, "it has: layer1"),
        ({"architecture": "resnet18", "stage": "layer4", "padding": "tensorflow"}, "shortcut"),
        ({"weights": "IMAGENET1K_V1"}, "use weights='file'"),
        ({"architecture": "resnet35"}, "resnet18"),
        ({"sha256": "abc"}, "sha256"),
        ({"std": (0.2, 0.2, 0.0)}, "positive"),
        ({"image_size": (8, 8)}, "at least 32"),
        ({"colour": "rgb"}, "colour"),
    ],
)
def test_bad_spec(change: dict, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TeacherSpec.model_validate(DEEPLAB.model_dump() | change)


def test_normalisation_belongs_to_the_weights() -> None:
    half = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert normalisation_of(DEEPLAB) == half
    assert normalisation_of(RESNET)[0] == (0.485, 0.456, 0.406)
    own = DEEPLAB.model_copy(update={"mean": (0.0, 0.0, 0.0)})
    assert normalisation_of(own) == ((0.0, 0.0, 0.0), half[1])
