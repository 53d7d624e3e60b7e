"""`evenhand compare`, `gate --baseline` and `figure` on the command line: what they say, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit.cli import main
from audit.results.comparison import Comparison
from audit.store import RunFolder, open_run
from tests.audit.simulated import CARRIER, Tables
from tests.audit.written_run import simulated, write_run_of
from tests.tiny_suite import write_suite

Captured = pytest.CaptureFixture[str]
PLACE = (1, 2)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `clean`, `biased` and `few`."""
    folder = tmp_path_factory.mktemp("runs")
    clean = simulated(seed=1)
    write_run_of(folder / "clean", *clean)
    write_run_of(folder / "biased", *simulated({PLACE: CARRIER}, 0.8, seed=2))
    pairs = clean[0].pairs.head(40)
    parts = (table[table["pair_id"].isin(pairs["pair_id"])] for table in (clean[0].heads, clean[1]))
    write_run_of(folder / "few", Tables(pairs, next(parts)), next(parts))
    return folder


def ended(capsys: Captured, *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(list(map(str, arguments)))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_worst_is_told_first(runs: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    code, out, err = ended(capsys, "compare", runs / "clean", runs / "biased")
    assert (code, err) == (0, "")
    lines = [line.strip() for line in out.splitlines() if line.strip()]
    assert lines[0] == "small → small"
    assert "simulated, she/he: 240 pairs in both (of 240 and 240)" in lines
    first = lines.index(next(line for line in lines if line.startswith("heads: ")))
    assert lines[first].startswith("heads: 2 worse; ")
    assert lines[first + 2].startswith("worse  1-2 ")
    outputs = lines.index(next(line for line in lines if line.startswith("outputs: ")))
    assert lines[outputs + 2].startswith("worse")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_narrow_terminal_gets_whole_numbers(
    runs: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, _ = ended(capsys, "compare", runs / "clean", runs / "biased")
    assert code == 0
    paths = {str(runs / name) for name in ("clean", "biased")}
    assert max(len(line) for line in out.splitlines() if not any(p in line for p in paths)) <= width
    found = json.loads(ended(capsys, "compare", runs / "clean", runs / "biased", "--json")[1])
    effect = next(one for one in found["outputs"] if one["measure"] == "total_effect")
    assert f"{effect['size']['ci_low']:+.3f}" in out
    assert f"{effect['after']['estimate']:+.3f}" in out


def test_the_json_is_the_whole_comparison(runs: Path, capsys: Captured) -> None:
    code, out, err = ended(capsys, "compare", runs / "clean", runs / "biased", "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    found = Comparison.model_validate_json(out)
    assert [(one.layer, one.head) for one in found.heads if one.change == "worse"] == [PLACE, PLACE]
    assert len(found.heads) == 8 * 4


def test_files_are_written_whole(runs: Path, tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "new" / "comparison"
    code, said, _ = ended(
        capsys, "compare", runs / "clean", runs / "biased", "--format", "html, markdown", "--out", out
    )
    assert code == 0
    assert said.splitlines()[-2:] == [str(out / "comparison.html"), str(out / "comparison.md")]
    assert sorted(path.name for path in out.iterdir()) == ["comparison.html", "comparison.md"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["none", "none"],
            "none/audit.json: no finished run here (No such file or directory); expected audit.json\n",
        ),
        (["a", "b", "--format", "html"], "--format: the files need a place; expected a folder with --out\n"),
        (["a", "b", "--out", "c"], "--out: nothing is written without a format; expected --format html, …\n"),
        (
            ["a", "b", "--format", "htm", "--out", "c"],
            "--format: unknown format 'htm'; expected html or markdown; did you mean 'html'?\n",
        ),
    ],
)
def test_bad_input_ends_with_2(capsys: Captured, arguments: list[str], message: str) -> None:
    assert ended(capsys, "compare", *arguments) == (2, "", message)


def gate_file(folder: Path) -> Path:
    checks = (("effect", "total_effect", 0.1), ("heads", "flagged_heads", 0))
    lines = [
        f"  - {{id: {name}, measure: {measure}, worse_by_at_most: {limit}, set_by: me, reason: r, date: 2020-01-01}}"
        for name, measure, limit in checks
    ]
    file = folder / "gate.yaml"
    file.write_text("\n".join(["largest_hidden_bias: 0.3", "checks:", *lines, ""]), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("run", "baseline", "verdict", "code"),
    [
        ("biased", "biased", "PASS", 0),
        ("biased", "clean", "FAIL", 1),
        ("clean", "few", "INCONCLUSIVE", 3),
        ("clean", None, "INCONCLUSIVE", 3),
        ("clean", "absent", None, 2),
    ],
)
def test_the_gate_decides_against_a_baseline(
    runs: Path,
    tmp_path: Path,
    capsys: Captured,
    run: str,
    baseline: str | None,
    verdict: str | None,
    code: int,
) -> None:
    given = [] if baseline is None else ["--baseline", runs / baseline]
    found, out, err = ended(capsys, "gate", runs / run, "--config", gate_file(tmp_path), *given, "--json")
    assert found == code
    if verdict is None:
        assert err == (
            f"{runs}/absent/audit.json: no finished run here (No such file or directory); expected audit.json\n"
        )
        return
    told = json.loads(out)
    assert told["verdict"] == verdict
    assert {(check["id"], check["kind"], check["verdict"]) for check in told["checks"]} == {
        ("effect", "change", verdict),
        ("heads", "change", verdict),
    }


def test_a_figure_is_printed_as_json_and_an_unknown_one_names_all(runs: Path, capsys: Captured) -> None:
    code, out, _ = ended(capsys, "figure", runs / "biased", "head-map")
    assert code == 0
    figure = json.loads(out)
    assert figure["data"][0]["type"] == "heatmap"
    assert figure["layout"]["title"]["text"] == "Signed bias: simulated, she against he"
    assert ended(capsys, "figure", runs / "biased", "headmap") == (
        2,
        "",
        "unknown figure 'headmap'; expected effect-map or head-map; did you mean 'head-map'?\n",
    )


def test_a_run_is_decided_against_a_baseline(
    done: RunFolder, folder: Path, tiny_folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    check = (
        "{id: ll, measure: likelihood_diff, worse_by_at_most: 0.001, set_by: me, reason: r, date: 2020-01-01}"
    )
    config = tmp_path / "gate.yaml"
    config.write_text(f"probes: [likelihood]\nchecks:\n  - {check}\n", encoding="utf-8")
    suite, out = write_suite(folder), tmp_path / "run"
    command = ["run", suite, "--model", tiny_folder, "--config", config, "--out", out, "--json", "--baseline"]
    code, said, err = ended(capsys, *command, tmp_path / "absent")
    assert (code, said) == (2, "")
    assert err.startswith(f"{tmp_path}/absent/audit.json: no finished run here")
    assert not out.exists()
    code, said, _ = ended(capsys, *command, done.path)
    told = json.loads(said)
    assert (code, told["verdict"]) == (0, "PASS")
    assert {(one["kind"], one["verdict"]) for one in told["checks"]} == {("change", "PASS")}
    baseline = open_run(out).audit.gate.baseline
    assert (baseline.folder, baseline.model) == (str(done.path), done.audit.model.name)
