"""Which tests run first."""

from pathlib import Path

import pytest

from mutation.nearness import nearest_first


@pytest.fixture
def member(tmp_path: Path) -> Path:
    source = "LIMIT = 3\n_HIDDEN = 1\n\nclass Letter: ...\n\ndef read_letter(): ...\n"
    for name, text in {
        "src/shop/dlq/letters.py": source,
        "src/shop/dlq/__init__.py": "",
        "tests/test_admission.py": "from shop import other\n",
        "tests/test_bodies.py": "from shop.dlq import Letter\nLetter()\n",
        "tests/test_charging.py": "from shop.dlq import Letter, read_letter\nread_letter(Letter())\n",
        "tests/test_claims.py": "from shop.dlq.letters import Letter\n",
        "tests/test_dlq_tour.py": "from shop import dlq\n",
        "tests/test_hiding.py": "_HIDDEN = 2\n",
        "tests/deeper/test_letters.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def _order(member: Path, module: str) -> list[str]:
    return [test.stem for test in nearest_first((member / "tests").rglob("test_*.py"), member / module)]


def test_a_modules_own_tests_come_first_and_then_whoever_has_most_to_do_with_it(member: Path) -> None:
    assert _order(member, "src/shop/dlq/letters.py") == [
        "test_letters",  # named after it
        "test_claims",  # imports it
        "test_dlq_tour",  # named after its folder
        "test_charging",  # mentions what it defines
        "test_bodies",  # less often
        "test_admission",
        "test_hiding",  # a private name is its own affair
    ]


def test_the_tests_of_a_package_are_those_that_import_it(member: Path) -> None:
    (member / "tests" / "test_whole.py").write_text("import shop.dlq\n")
    assert _order(member, "src/shop/dlq/__init__.py")[:4] == [
        "test_bodies",
        "test_charging",
        "test_claims",
        "test_whole",
    ]
