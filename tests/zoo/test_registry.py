"""Registry: every name builds, a wrong one says which was meant."""

from typing import Any

import pytest

from ppkt_zoo.errors import InputError, UnknownNameError
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.zoo import registry
from ppkt_zoo.zoo.registry import create_backbone, list_backbones, origin_of, register_backbone
from tests.zoo.own_backbones import OWN, small
from tests.zoo.tiny_weight import tiny_net


def test_wildcards() -> None:
    assert {"sr_unet14", "sr_unet34"} <= set(list_backbones("sr_unet?4"))
    assert all(name.startswith("sr_unet") and len(name) == 9 for name in list_backbones("sr_unet?4"))
    assert {"sr_unet18", "sr_unet34"} < set(list_backbones())
    assert list_backbones("nothing*") == []


@pytest.mark.parametrize("name", OWN)
def test_every_backbone_is_built_and_notes_how(name: str) -> None:
    spec = InputSpec(voxel_size=0.1, channels=("ones",))
    arguments = small(name)
    backbone = create_backbone(name, input_spec=spec, **arguments)
    assert backbone.input_spec == spec
    assert backbone.out_channels == list(backbone.level_channels.values())[-1]
    architecture, noted = origin_of(backbone)
    assert architecture == name
    assert arguments.items() <= noted.items()
    assert origin_of(create_backbone(name, input_spec=spec, **noted)) == (name, noted)


def test_defaults_are_noted_too() -> None:
    backbone = create_backbone("tiny_net")
    assert origin_of(backbone) == ("tiny_net", {"width": 8})
    assert backbone.input_spec.voxel_size == 0.025


@pytest.mark.parametrize(
    ("name", "meant"), [("sr_unet_14", "sr_unet14"), ("srunet34", "sr_unet34"), ("tinynet", "tiny_net")]
)
def test_a_typo_is_answered_with_the_right_spelling(name: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean.*'{meant}'"):
        create_backbone(name)


def test_an_unknown_argument_is_named() -> None:
    with pytest.raises(InputError, match=r"tiny_net cannot be built so.*'widht'.*it knows width"):
        create_backbone("tiny_net", widht=3)


def test_an_argument_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(InputError, match="JSON"):
        create_backbone("tiny_net", width=object())


def test_a_backbone_built_by_hand_has_no_origin() -> None:
    with pytest.raises(InputError, match="create_backbone"):
        origin_of(tiny_net(input_spec=InputSpec(voxel_size=0.1)))


def test_register(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_BUILDERS", dict(registry._BUILDERS))

    @register_backbone("my_net")
    def build(*, input_spec: InputSpec, **arguments: Any) -> Any:
        return tiny_net(input_spec=input_spec, **arguments)

    assert "my_net" in list_backbones("my_*")
    assert origin_of(create_backbone("my_net", width=4)) == ("my_net", {"width": 4})
    register_backbone("my_net", build)  # the same one again is no clash
    again = lambda *, input_spec: tiny_net(input_spec=input_spec)  # noqa: E731
    again.__module__, again.__qualname__ = build.__module__, build.__qualname__
    register_backbone("my_net", again)  # nor is it after its cell ran again
    assert registry.get_builder("my_net") is again
    with pytest.raises(InputError, match="taken"):
        register_backbone("my_net", tiny_net)
    with pytest.raises(InputError, match="taken"):
        register_backbone("sr_unet14", build)
    with pytest.raises(InputError, match="lower case"):
        register_backbone("My.Net", build)
