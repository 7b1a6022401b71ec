"""Tables: text alone, whatever stands in a record; plain lines where nobody looks on."""

import io
import re

import pytest
from rich.console import Console

from ppkt_zoo.cli.run.tables import Listing, find, record_table, weights_lines, weights_table
from ppkt_zoo.errors import UnknownNameError
from ppkt_zoo.zoo.head import HEADS
from ppkt_zoo.zoo.manifest import load_manifest
from ppkt_zoo.zoo.record import WeightRecord
from tests.zoo.tiny_weight import make_record


def printed(table: Listing, terminal: bool, width: int = 100) -> str:
    stream = io.StringIO()
    Console(file=stream, force_terminal=terminal, width=width if terminal else 10_000, color_system=None).print(table)
    return stream.getvalue()


def test_off_a_terminal_a_row_is_a_line() -> None:
    lines = printed(weights_lines(), terminal=False).splitlines()
    names = load_manifest().names()
    assert [line.split("  ")[0] for line in lines] == ["weight", *names]
    assert not {"─", "│", "━"} & set("".join(lines))
    assert all("  CC-BY-4.0  " in line for line in lines[1:])


def test_on_a_terminal_it_is_a_table() -> None:
    assert "─" in printed(weights_table(), terminal=True)


def test_the_list_of_weights_fits_eighty_columns() -> None:
    lines = printed(weights_table(), terminal=True, width=80).splitlines()
    assert max(map(len, lines)) <= 80
    rows = {line.split()[0]: line.split() for line in lines if line.strip()}
    for weight in load_manifest().weights:
        name, millions, m, voxel, cm, size, mb, score = rows[weight.name]
        assert (m, cm, mb) == ("M", "cm", "MB")
        assert float(millions) == pytest.approx(weight.record.parameters / 1e6, abs=0.005)
        assert float(voxel) == pytest.approx(weight.input_spec.voxel_size * 100)
        assert float(size) > 1
        if any(head.tensors in weight.files for head in HEADS):
            assert score == "-", f"{name} answers at once, its features were not probed"
        else:
            assert 0 < float(score) < 1, f"{name}: one score"


def test_best_figures_stand_first() -> None:
    record = load_manifest().weights[0].record
    worse = record.metrics[0].model_copy(update={"name": "worse", "value": 0.3})
    better = worse.model_copy(update={"name": "better", "value": 0.9})
    alone = better.model_copy(update={"name": "alone", "control": None})
    changed = record.model_copy(update={"metrics": (alone, worse, better)})
    text = printed(record_table("a.b", 0.04, changed), terminal=False)
    assert text.index("better: ") < text.index("worse: ") < text.index("alone: ") < text.index("licence ")


def test_changed_clouds_have_a_line_of_their_own() -> None:
    record = load_manifest().weights[0].record
    tilted = record.metrics[0].model_copy(update={"name": "robustness: tilted by 10°"})
    changed = record.model_copy(update={"metrics": (record.metrics[0], tilted)})
    lines = printed(record_table("a.b", 0.04, changed), terminal=False).splitlines()
    assert [line.split()[1:3] for line in lines if line.startswith("robustness")] == [["tilted", "by"]]
    assert sum("tilted" in line for line in lines) == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_in_a_record_is_obeyed(terminal: bool) -> None:
    evil = "[bold red]x[/] [link=http://y]z[/link] \x1b[2J\u202e [/nonsense]"
    record = load_manifest().weights[0].record
    changed = record.model_copy(update={"description": evil, "limits": (evil,), "citation": f"{evil}\nsecond line"})
    text = printed(record_table("a.b", 0.04, changed), terminal, 300)
    assert "\x1b[2J" not in text
    assert "\u202e" not in text
    assert text.count("[bold red]x[/] [link=http://y]z[/link] \\x1b[2J\\u202e [/nonsense]") == 3
    assert "second line" in text


@pytest.mark.parametrize("hub", [{}, {"repo": "me/old", "revision": "b" * 40}])
def test_a_changed_weight_names_the_one_that_it_began_with(hub: dict[str, str]) -> None:
    base = {"weight": "tiny_net.old", "sha256": "a" * 64} | hub
    record = WeightRecord.model_validate(make_record(base=base, parameters=1, created="2026-11-29"))
    told = printed(record_table("tiny_net.own", 0.05, record), terminal=False)
    wanted = "tiny_net.old" + (f", hf-hub:me/old@{'b' * 40}" if hub else "")
    assert re.search(rf"^began with +{re.escape(wanted)}$", told, re.MULTILINE)


def test_cells_that_are_markup_stay_text() -> None:
    table = Listing("kind", "MB")
    table.add_row("[red]mirror[/red]", "1")
    table.add_row(None, "1234")
    assert "[red]mirror[/red]" in printed(table, terminal=True)
    assert printed(table, terminal=False) == "kind               MB\n[red]mirror[/red]  1\n                   1234\n"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("sr_unet14_slm.ppkt_voc", r"sr_unet14_slim\.ppkt_voc"),
        ("sr_unet14_slim_ppkt_voc", r"sr_unet14_slim\.ppkt_voc"),
        ("sr_unet14_slim.ppkt_vok", r"did you mean 'sr_unet14_slim\.ppkt_voc'"),
        ("SR-UNet14_slim.ppkt_voc", r"such as 'sr_unet14_slim\.ppkt_voc'"),
        ("srunet14", "did you mean 'sr_unet14'"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=near):
        find(name)


@pytest.mark.parametrize("begin", ["", "hf-hub:", "hf-hub:a/", "hf-hub:a/b@", "X", "/", "x.pth/"])
def test_a_name_of_any_length_is_told_in_short(begin: str) -> None:
    for long in ("x" * 100_000, f"{'x' * 100_000}.pth"):
        with pytest.raises(UnknownNameError) as caught:
            find(begin + long)
        assert len(str(caught.value)) < 1500
