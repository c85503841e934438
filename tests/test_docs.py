"""Pages that quote code quote it as it is, and every page is linked."""

import pathlib
import re
import textwrap

from tests.tools import support

ROOT = pathlib.Path(__file__).parent.parent
SOURCES = {".cpp", ".hpp", ".py"}


def test_the_page_on_kernels_quotes_its_tests():
    page = (ROOT / "docs/kernels.md").read_text()
    for source, mark in (("kernels/exp_of_minus.cpp", "// [example]\n"), ("cpp/example_test.cpp", "  // [run]\n")):
        code = textwrap.dedent((ROOT / "tests" / source).read_text().split(mark)[1]).rstrip()
        assert f"```cpp\n{code}\n```" in page


def test_every_page_is_linked_and_every_link_leads_somewhere():
    index = (ROOT / "docs/index.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in index, f"docs/index.md does not link {page.name}"
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links {target}"


def test_every_stablehlo_operation_was_tried():
    tried = {operation.split(" ")[0] for operation in support.PROGRAMS} | set(support.LEFT_OUT) | {"return"}
    assert tried == support.dialect_operations()


def test_the_page_on_stablehlo_says_what_the_compiler_does():
    text = support.PAGE.read_text()
    assert support.page(text) == text, "run `python -m tests.tools.support`"


def test_the_page_on_flags_has_each_variable_and_option_that_is_read():
    folders = ("pjrt_plugin", "tt_lib", "jax_tt", "models", "tests")
    sources = [path.read_text() for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in SOURCES]
    for name in (r"JAX_TT_\w+", r"jax_tt_\w+"):
        read = {found for text in sources for found in re.findall(f'"({name})"', text)}
        described = re.findall(rf"^\| `({name})`", (ROOT / "docs/flags.md").read_text(), re.MULTILINE)
        assert read and sorted(described) == sorted(read)


def test_pages_name_no_variable_that_is_not_read():
    known = set(re.findall(r"JAX_TT_\w+", (ROOT / "docs/flags.md").read_text()))
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        assert set(re.findall(r"JAX_TT_\w+", page.read_text())) <= known, page.name


def test_the_page_on_debugging_lists_each_pass_that_can_be_left_out():
    pipeline = (ROOT / "pjrt_plugin/passes/pipeline.cpp").read_text()
    rows = re.findall(r'\{"(\w+)", \w+(, /\*required=\*/true)?\}', pipeline)
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/debugging.md").read_text(), re.MULTILINE)
    assert listed == [name for name, required in rows if not required]
