import pytest

from local.__main__ import main, parser


@pytest.mark.parametrize(
    "argv",
    [
        ["up", "--payment", "nan"],
        ["up", "--payment", "-1"],
        ["up", "--workers", "0"],
        ["up", "--capacity", "x"],
        ["up", "--port", "70000"],
        ["up", "--arm", "fax"],
        [],
    ],
)
def test_a_wrong_argument_is_named_and_ends_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert (argv[1] if argv else "command") in capsys.readouterr().err


def test_the_defaults_are_the_scenarios() -> None:
    arguments = parser().parse_args(["up"])
    assert (arguments.payment, arguments.arm, arguments.port) == (3.0, "ecs", 8080)
