"""The demo for a Hugging Face Space: a file in, a page out, over HTTP on loopback; and what its folder must hold."""

import html
import importlib.util
import os
import re
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import ppkt_zoo
from ppkt_zoo.points.files.cloud_files import write_cloud
from tests.support.chromium import Tab, need_chromium
from tests.support.doc_stand_ins import a_cloud
from tests.support.small_weight import make_folder

ROOT = Path(__file__).resolve().parents[1]
SPACE = ROOT / "examples" / "space"


def header() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((SPACE / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    return found


def test_the_header_is_one_that_a_space_takes() -> None:
    fields = header()
    assert fields["sdk"] == "gradio"
    assert (SPACE / fields["app_file"]).is_file()
    assert re.fullmatch(r"\d+\.\d+\.\d+", fields["sdk_version"])
    assert len(fields["short_description"]) <= 60
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert any(one.startswith("gradio") for one in extras["space"])
    lines = (SPACE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert lines == ["--extra-index-url https://download.pytorch.org/whl/cpu", "ppkt-zoo[space]"]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Gradio's own client of the running demo, with a small random network."""
    reason = 'gradio is not installed: pip install "ppkt-zoo[space]"'
    pytest.importorskip("gradio", reason=reason)
    gradio_client = pytest.importorskip("gradio_client", reason=reason)
    name = make_folder(tmp_path_factory.mktemp("weights") / "small")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PPKT_ZOO_SPACE_WEIGHT", name)
        patch.setenv("PPKT_ZOO_SPACE_POINTS", "30000")
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        spec = importlib.util.spec_from_file_location("space_app", SPACE / "app.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        demo = module.build()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _, address, _ = demo.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, ssr_mode=False)
            try:
                yield gradio_client.Client(address, verbose=False)
            finally:
                demo.close()


def sent(file: Path) -> Any:
    import gradio_client

    return gradio_client.handle_file(str(file))


def test_a_file_gives_a_page_its_features_and_what_was_done(client: Any, tmp_path: Path) -> None:
    xyz, rgb = a_cloud()
    file = write_cloud(tmp_path / "scan.ply", xyz * 1000, rgb)
    page, kept, notes = client.predict(sent(file), "mm", "z", api_name="/show")
    assert re.search(r'<iframe srcdoc="[^"]{10000,}" .*sandbox="allow-scripts', page)
    assert "scan.ply" in html.unescape(page)
    with np.load(kept) as found:
        weight = ppkt_zoo.load_backbone(os.environ["PPKT_ZOO_SPACE_WEIGHT"])
        assert np.allclose(found["features"], weight.encode(xyz, rgb), atol=2e-2)
        assert np.allclose(found["xyz"], xyz, atol=1e-4)
    assert "3,000 points, 64 channels each" in notes


def test_what_is_wrong_with_a_file_is_told_to_its_owner(client: Any, tmp_path: Path) -> None:
    broken, large = tmp_path / "broken.ply", write_cloud(tmp_path / "large.ply", *a_cloud(40_000))
    broken.write_bytes(b"ply\nformat ascii 1.0\n")
    for file, told in ((broken, r"broken\.ply"), (large, "40,000 points, and this demo takes 30,000")):
        with pytest.raises(Exception, match=told) as caught:
            client.predict(sent(file), "m", "z", api_name="/show")
        assert str(tmp_path) not in str(caught.value)
    with pytest.raises(Exception, match="drop a file first"):
        client.predict(None, "m", "z", api_name="/show")


def test_the_page_works_in_the_demo(client: Any, tmp_path: Path) -> None:
    """The sample's button in a browser: the page in the demo gets ready, and nothing of it complains."""
    need_chromium()
    with Tab(tmp_path, (1200, 1300)) as tab:
        tab.open(client.src, None)
        tab.wait("[...document.querySelectorAll('button')].some(one => one.textContent.includes('A sample'))")
        tab.run("[...document.querySelectorAll('button')].find(one => one.textContent.includes('A sample')).click()")
        tab.wait("document.querySelector('iframe[title=\"point cloud\"]') !== null")
        # Its frame may not be looked into from outside; what it draws changes the picture of the whole.
        before = tab.picture()
        tab.until(lambda: len(tab.picture()) > 1.5 * len(before), "the page is drawn")
        if folder := os.environ.get("PPKT_ZOO_SPACE_PICTURES"):
            Path(folder, "space.png").write_bytes(tab.picture())
        assert tab.complaints == []
