from pathlib import Path

import pytest

from load.scenario import Arm, Scenario, ScenarioError, planned_workers
from load.scenario_files import SCENARIOS, load_scenarios

SMALL = """
title = "T"
[defaults]
payment_seconds = 2.0
[quick]
payment_seconds = 0.5
phase_scale = 0.5
[[scenarios]]
name = "ecs:8"
title = "Queue"
arm = "ecs"
workers = 8
phases = [{ name = "flash", users = 20, seconds = 10 }]
quick = { workers = 2 }
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "scenarios.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_files_of_the_project_can_be_read_both_ways() -> None:
    for name in ("demo.toml", "lab.toml"):
        for quick in (False, True):
            assert load_scenarios(SCENARIOS / name, quick=quick).scenarios


def test_the_lab_holds_the_whole_experiment() -> None:
    names = {scenario.name for scenario in load_scenarios(SCENARIOS / "lab.toml").scenarios}
    sync = {f"sync:{shop}:{capacity}" for shop in ("naive", "protected") for capacity in ("1", "5", "unlimited")}
    ecs = {"ecs:1", "ecs:5", "ecs:20", "ecs:100", "ecs:planned", "ecs:scaled"}
    stock = {f"stock:{arm}" for arm in Arm}
    assert names == sync | ecs | stock | {"lambda", "lambda-sqs", "open:constant", "open:poisson"}


def test_the_true_lab_pays_three_seconds_everywhere() -> None:
    file = load_scenarios(SCENARIOS / "lab.toml")
    assert {scenario.payment_seconds for scenario in file.scenarios} == {3.0}
    assert all(scenario.stands_for_payment_seconds is None for scenario in file.scenarios)


def test_quick_scales_and_remembers_what_it_stands_for(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL)
    scenario = load_scenarios(path, quick=True).scenarios[0]
    assert (scenario.payment_seconds, scenario.workers, scenario.phases[0].seconds) == (0.5, 2, 5)
    assert (scenario.stands_for_payment_seconds, scenario.stands_for_workers) == (2.0, 8)
    full = load_scenarios(path).scenarios[0]
    assert (full.payment_seconds, full.workers, full.stands_for_workers) == (2.0, 8, None)


def test_the_quick_lab_keeps_the_load_in_workers() -> None:
    full = {one.name: one for one in load_scenarios(SCENARIOS / "lab.toml").scenarios}
    for scenario in load_scenarios(SCENARIOS / "lab.toml", quick=True).scenarios:
        if scenario.arm is Arm.ECS and scenario.keeps_up_with is None:
            true = full[scenario.name]
            assert scenario.workers / scenario.payment_seconds == pytest.approx(true.workers / true.payment_seconds)


def test_the_planner_says_how_many_workers_keep_up() -> None:
    assert planned_workers(60, 3.0) == 204  # 60 ÷ 0.9 × (3 s + 0.05 s), rounded up
    scenario = next(one for one in load_scenarios(SCENARIOS / "lab.toml").scenarios if one.name == "ecs:planned")
    assert scenario.workers == planned_workers(60, 3.0, scenario.overhead_seconds) == 204
    assert Scenario.model_validate(scenario.model_dump() | {"workers": 7}).workers == 7


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ('arm = "ecs"', "arm"),
        ("workers = 8", "workers"),
        ("users = 20", "users"),
        ('title = "T"', "title"),
        ("[[scenarios]]", "seconds"),
    ],
)
def test_a_wrong_file_is_refused_naming_file_and_field(tmp_path: Path, change: str, field: str) -> None:
    wrong = {
        "arm": 'arm = "fax"',
        "workers": "workers = -1",
        "users": "users = 0",
        "title": "titel = 1",
        "seconds": "[[scenarios]]\nsurprise = 1",
    }[field]
    path = write(tmp_path, SMALL.replace(change, wrong))
    with pytest.raises(ScenarioError, match=r"scenarios\.toml"):
        load_scenarios(path)


@pytest.mark.parametrize("text", ["[", 'title = "T"\nscenarios = 3', 'title = "T"\ndefaults = 1', ""])
def test_what_is_no_scenario_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ScenarioError):
        load_scenarios(write(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"none\.toml"):
        load_scenarios(tmp_path / "none.toml")


def test_only_takes_names_and_families() -> None:
    file = load_scenarios(SCENARIOS / "lab.toml")
    assert [one.name for one in file.only(["ecs:20"]).scenarios] == ["ecs:20"]
    assert len(file.only(["sync"]).scenarios) == 6
    assert [one.name for one in file.only(["lambda"]).scenarios] == ["lambda"]
    with pytest.raises(ScenarioError, match="ecs:20"):
        file.only(["ecs:21"])


def test_runs_of_a_group_are_adjacent_and_named_alike() -> None:
    groups = load_scenarios(SCENARIOS / "lab.toml").groups()
    assert [len(group) for group in groups[:3]] == [3, 3, 1]


def test_a_seed_reaches_every_scenario() -> None:
    file = load_scenarios(SCENARIOS / "demo.toml").seeded(99)
    assert {scenario.seed for scenario in file.scenarios} == {99}
    scaled = load_scenarios(SCENARIOS / "lab.toml", quick=True).seeded(99)
    assert {scenario.stands_for.seed for scenario in scaled.scenarios if scenario.stands_for} == {99}


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("stock = { fax = 3 }", "ecs:8: fax: no such product in the catalogue"),
        ('products = ["fax"]', "ecs:8: fax: no such product in the catalogue"),
        ('products = ["desk-lamp", "desk-lamp"]', "ecs:8: products: a product is named twice"),
        (
            'stock = { backpack = 3 }\nproducts = ["desk-lamp"]',
            "ecs:8: products: desk-lamp is ordered but has no stock",
        ),
        ("stock = { backpack = -1 }", r"line 13: ecs:8: stock\.backpack: Input should be greater than or equal to 0"),
        ("stock = { backpack = 1.5 }", r"line 13: ecs:8: stock\.backpack: Input should be a valid integer"),
    ],
)
def test_stock_and_products_that_cannot_be_sold_are_refused_by_name(tmp_path: Path, lines: str, sentence: str) -> None:
    path = write(tmp_path, SMALL.replace("workers = 8", f"workers = 8\n{lines}", 1))
    with pytest.raises(ScenarioError, match=sentence):
        load_scenarios(path)


def test_shoppers_order_what_has_stock_unless_said_otherwise(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL.replace("workers = 8", "workers = 8\nstock = { backpack = 3, desk-lamp = 4 }", 1))
    scenario = load_scenarios(path).scenarios[0]
    assert scenario.is_limited
    assert (scenario.ordered_products, scenario.units) == (("backpack", "desk-lamp"), 7)
    only = scenario.model_copy(update={"products": ("desk-lamp",)})
    assert (only.ordered_products, only.units) == (("desk-lamp",), 4)
    unlimited = scenario.model_copy(update={"products": ("desk-lamp",), "stock": {}})
    assert (unlimited.is_limited, unlimited.ordered_products, unlimited.units) == (False, ("desk-lamp",), 0)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("tasks = [[5, -1]]", r"line 13: ecs:8: tasks\.0\.1: Input should be greater than or equal to 1"),
        ("tasks = [[-5, 2]]", r"line 13: ecs:8: tasks\.0\.0: Input should be greater than or equal to 0"),
        ("tasks = [[9, 2], [5, 3]]", r"ecs:8: tasks must be in the order of their moments"),
        ("surprise = 1", r"line 13: ecs:8: surprise: Extra inputs are not permitted"),
        ("think_seconds = [0, inf]", r"line 13: ecs:8: think_seconds\.1: Input should be less than or equal to 86400"),
    ],
)
@pytest.mark.parametrize("quick", [False, True])
def test_what_is_wrong_is_said_with_line_scenario_and_field(
    tmp_path: Path, lines: str, sentence: str, *, quick: bool
) -> None:
    path = write(tmp_path, SMALL.replace("workers = 8", f"workers = 8\n{lines}", 1))
    with pytest.raises(ScenarioError, match=sentence):
        load_scenarios(path, quick=quick)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ('keeps_up_with = "fast"', "line 12: ecs:8: keeps_up_with: Input should be a valid number"),
        (
            'keeps_up_with = 5\npayment_seconds = "long"',
            "line 13: ecs:8: payment_seconds: Input should be a valid number",
        ),
        ("keeps_up_with = 5\npayment_seconds = inf", "line 13: ecs:8: payment_seconds: Input should be less than"),
        ("keeps_up_with = 5\noverhead_seconds = nan", "line 13: ecs:8: overhead_seconds: Input should be"),
        ("keeps_up_with = 600\npayment_seconds = 50", "line 8: ecs:8: workers: Input should be less than or equal"),
    ],
)
def test_workers_that_cannot_be_planned_are_refused_with_the_reason(tmp_path: Path, lines: str, sentence: str) -> None:
    path = write(tmp_path, SMALL.replace("workers = 8", lines, 1))
    with pytest.raises(ScenarioError, match=sentence):
        load_scenarios(path)


@pytest.mark.parametrize("scale", ['"x"', "0", "true"])
def test_a_scale_that_is_none_is_refused(tmp_path: Path, scale: str) -> None:
    path = write(tmp_path, SMALL.replace("phase_scale = 0.5", f"phase_scale = {scale}"))
    with pytest.raises(ScenarioError, match=r"quick\.phase_scale: must be a number above 0"):
        load_scenarios(path, quick=True)


def test_phases_that_are_none_are_refused_with_and_without_quick(tmp_path: Path) -> None:
    for phases in ("5", "[5]", '[{ seconds = "long" }]'):
        path = write(tmp_path, f'title = "T"\n[[scenarios]]\nname = "x"\ntitle = "X"\narm = "ecs"\nphases = {phases}\n')
        for quick in (False, True):
            with pytest.raises(ScenarioError, match="line 6: x: phases"):
                load_scenarios(path, quick=quick)


@pytest.mark.parametrize("quick", [False, True])
def test_quick_must_be_a_table(tmp_path: Path, *, quick: bool) -> None:
    path = write(tmp_path, SMALL.replace("quick = { workers = 2 }", "quick = 5"))
    with pytest.raises(ScenarioError, match="line 14: ecs:8: quick: must be a table of what is different with --quick"):
        load_scenarios(path, quick=quick)


def test_the_quick_laboratory_has_one_factor_for_payments_phases_and_workers() -> None:
    scaled = {
        one.name: (one, one.stands_for)
        for one in load_scenarios(SCENARIOS / "lab.toml", quick=True).scenarios
        if one.stands_for is not None and one.stands_for_payment_seconds and not (one.is_limited or one.tasks)
    }
    sync = [f"sync:{shop}:{capacity}" for shop in ("naive", "protected") for capacity in (1, 5, "unlimited")]
    queue = ["ecs:5", "ecs:20", "ecs:100"]
    assert list(scaled) == [*sync, *queue, "lambda", "lambda-sqs"]  # the bursts have times of their own
    for name in (*sync, *queue):
        quick, true = scaled[name]
        assert quick.payment_seconds == pytest.approx(true.payment_seconds / 5)
        assert quick.line_seconds == pytest.approx(true.line_seconds / 5)
        # Of the few that it refuses a shorter rush would count too few to be compared with what was predicted.
        factors = [5, 1] if name == "sync:protected:unlimited" else [5] * len(true.phases)
        lengths = [phase.seconds / factor for phase, factor in zip(true.phases, factors, strict=True)]
        assert [phase.seconds for phase in quick.phases] == pytest.approx(lengths)
    assert [5 * scaled[name][0].workers for name in queue] == [5, 20, 100]
