"""Backbones of installed packages: found when asked for, broken or clashing ones named, others unharmed."""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from ppkt_zoo.errors import InputError, UnknownNameError
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.zoo import registry
from ppkt_zoo.zoo.folder import write_weight_folder
from ppkt_zoo.zoo.load import load_backbone, verify
from ppkt_zoo.zoo.registry import create_backbone, list_backbones, origin_of, register_backbone
from tests.zoo.tiny_weight import make_cloud, make_record


class Installer:
    """Writes packages into a folder of sys.path as pip would leave them there."""

    def __init__(self, site: Path) -> None:
        self.site = site
        self.packages: list[str] = []

    def __call__(self, package: str, code: str, **backbones: str) -> None:
        self.packages.append(package)
        (self.site / f"{package}.py").write_text(code)
        info = self.site / f"{package}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        lines = [f"{name} = {value}" for name, value in backbones.items()]
        (info / "entry_points.txt").write_text("\n".join([f"[{registry.GROUP}]", *lines, ""]))


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installer]:
    """An empty place for packages; what is registered and imported there is forgotten afterwards."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(registry, "_BUILDERS", dict(registry._BUILDERS))
    installer = Installer(site)
    yield installer
    for package in installer.packages:
        sys.modules.pop(package, None)


GOOD = (
    "from tests.zoo.tiny_weight import TinyNet\n"
    "def build(*, input_spec, width=8):\n    return TinyNet(input_spec, width)\n"
)


def test_an_installed_backbone_is_found_and_its_weight_loads_again(install: Installer, tmp_path: Path) -> None:
    install("good_nets", GOOD, good_net="good_nets:build")
    assert list_backbones("good_*") == ["good_net"]
    assert "good_nets" not in sys.modules  # listing imports nothing
    backbone = create_backbone("good_net", input_spec=InputSpec(voxel_size=0.05), width=4)
    assert origin_of(backbone) == ("good_net", {"width": 4})
    folder = write_weight_folder(tmp_path / "weight", backbone, "good_net.test", make_record(), make_cloud())
    # As in a new process: nothing is registered yet.
    del registry._BUILDERS["good_net"]
    assert load_backbone(f"local-dir:{folder.path}").level_channels == {"coarse": 4, "fine": 6}
    assert verify(folder.path).ok


def test_a_weight_without_its_package_says_what_to_do(install: Installer, tmp_path: Path) -> None:
    register_backbone("own_net", lambda *, input_spec: registry._BUILDERS["tiny_net"](input_spec=input_spec))
    backbone = create_backbone("own_net", input_spec=InputSpec(voxel_size=0.05))
    folder = write_weight_folder(tmp_path / "weight", backbone, "own_net.test", make_record(), make_cloud())
    del registry._BUILDERS["own_net"]
    before = set(sys.modules)
    with pytest.raises(
        UnknownNameError, match=r"called 'own_net'.*never brings code.*import the module that registers"
    ):
        load_backbone(f"local-dir:{folder.path}")
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    ("code", "target", "message"),
    [
        (
            "import no_such_module",
            "bad_nets:build",
            r"bad_nets 1\.2 \(bad_nets:build\).*ModuleNotFoundError.*uninstall",
        ),
        ("x = 1 / 0", "bad_nets:build", r"bad_nets 1\.2.*ZeroDivisionError"),
        ("", "bad_nets:build", r"bad_nets 1\.2.*AttributeError"),
        ("build = 3", "bad_nets:build", r"bad_nets 1\.2.*no builder but a int"),
    ],
)
def test_a_broken_one_is_named_and_breaks_no_other(install: Installer, code: str, target: str, message: str) -> None:
    install("bad_nets", code, bad_net=target)
    install("good_nets", GOOD, good_net="good_nets:build")
    assert {"bad_net", "good_net", "sr_unet14"} <= set(list_backbones())
    with pytest.raises(InputError, match=message):
        create_backbone("bad_net")
    assert origin_of(create_backbone("good_net"))[0] == "good_net"
    with pytest.raises(UnknownNameError, match="did you mean 'good_net'"):
        create_backbone("good_nett")


def test_a_clash_names_both(install: Installer) -> None:
    install("one_nets", GOOD, same_net="one_nets:build", tiny_net="one_nets:build")
    install("two_nets", GOOD, same_net="two_nets:build")
    with pytest.raises(InputError, match=r"'same_net' is offered twice: by one_nets 1\.2 .* and by two_nets 1\.2 "):
        create_backbone("same_net")
    with pytest.raises(InputError, match=r"'tiny_net' is taken twice: by \S+:tiny_net and by one_nets 1\.2 "):
        create_backbone("tiny_net")
    assert origin_of(create_backbone("sr_unet14_small"))[0] == "sr_unet14_small"


def test_decorator_and_entry_point_of_the_same_builder_are_no_clash(install: Installer) -> None:
    decorated = GOOD.replace(
        "def build", "from ppkt_zoo import register_backbone\n@register_backbone('good_net')\ndef build"
    )
    install("good_nets", decorated, good_net="good_nets:build")
    assert origin_of(create_backbone("good_net")) == ("good_net", {"width": 8})
    assert origin_of(create_backbone("good_net", width=2)) == ("good_net", {"width": 2})


def test_a_name_that_breaks_the_rule_is_never_offered(install: Installer, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("Good.Net", "good_nets:build", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda **_: (entry,))
    assert "Good.Net" not in list_backbones()
    with pytest.raises(UnknownNameError):
        create_backbone("Good.Net")
