"""The repository is whole: documents lead somewhere, the lock is complete, packages are typed, no setting is dead."""

import subprocess
import tomllib

import pytest

from config.limits import Limits
from config.settings import Settings
from tests.architecture.repository_rules import broken_links, lock_violations, package_name, unused_names
from tests.architecture.sources import PRODUCT, python_of, relative, report, sample
from tests.support.requirements import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def tracked_files() -> list[str]:
    """Return what git tracks, or skip where the source is no checkout."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this is no git checkout")
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_every_link_in_the_documents_leads_somewhere() -> None:
    """Whoever follows a link of the README or of docs/ finds a file."""
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]

    assert report(sentence for page in pages for sentence in broken_links(page, page.read_text(encoding="utf-8"))) == ""


def test_the_lock_holds_every_package_with_hashes_and_no_index() -> None:
    """What pyproject.toml asks for, to run, to develop and to build, is locked and names no index."""
    project = PROJECT["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"], *PROJECT["build-system"]["requires"]]

    assert report(lock_violations((ROOT / "requirements.lock").read_text(encoding="utf-8"), map(package_name, asked))) == ""


def test_every_package_is_typed_and_opens_with_an_init() -> None:
    """Each top-level package has its py.typed, which holds for all below it, and each folder of modules its __init__.py."""
    folders = {(ROOT / source.path).parent for source in python_of(*PRODUCT)}

    assert [name for name in PRODUCT if not (ROOT / name / "py.typed").exists()] == []
    assert [relative(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_every_setting_and_limit_is_used() -> None:
    """A setting that nobody reads would promise what does not happen."""
    definitions = ("config/settings.py", "config/limits.py", "config/checks.py")
    readers = [source for source in python_of(*PRODUCT) if source.path not in definitions]

    assert unused_names(Settings.model_fields, readers) == []
    assert unused_names(Limits.model_fields, readers) == []


def test_no_file_names_a_place_of_the_machine_it_was_written_on() -> None:
    """Nothing that is committed holds the path of this checkout or of a home folder."""
    home = "/" + "root/"
    named = []
    for name in tracked_files():
        content = (ROOT / name).read_bytes()
        if str(ROOT).encode() in content or home.encode() in content:
            named.append(name)

    assert named == []


def test_a_broken_link_is_found() -> None:
    """A link to no file is named; one to a neighbour or to the web is not."""
    text = "[a](docs/rules.md) [b](docs/nowhere.md#part) [c](https://example.org)"

    assert list(broken_links(ROOT / "README.md", text)) == ["README.md: the link to docs/nowhere.md leads nowhere"]


@pytest.mark.parametrize(
    "lock",
    [
        "aiohttp==3.14.5\n",
        "aiohttp==3.14.5 \\\n    --hash=sha256:00\nother==1\n",
        "--index-url https://example.org\naiohttp==3.14.5 \\\n    --hash=sha256:00\n",
        "other==1 \\\n    --hash=sha256:00\n",
    ],
)
def test_an_incomplete_lock_is_found(lock: str) -> None:
    """A missing hash, an index address and a missing package are named."""
    assert list(lock_violations(lock, ["aiohttp"]))


def test_an_unused_name_is_found() -> None:
    """A name that only its own definition mentions counts as unused."""
    assert unused_names(["used", "dead"], [sample("store/x.py", "x = settings.used\ndead = 1\n")]) == ["dead"]
