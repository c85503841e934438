"""Pages that quote code quote it as it is, and every page is linked."""

import pathlib
import re
import textwrap

ROOT = pathlib.Path(__file__).parent.parent


def test_the_page_on_kernels_quotes_its_test():
  page = (ROOT / "docs/kernels.md").read_text()
  source = (ROOT / "tests/cpp/example_test.cpp").read_text()
  for mark in ("// [example]\n", "  // [run]\n"):
    code = textwrap.dedent(source.split(mark)[1]).rstrip()
    assert f"```cpp\n{code}\n```" in page


def test_every_page_is_linked_and_every_link_leads_somewhere():
  index = (ROOT / "docs/index.md").read_text()
  for page in (ROOT / "docs").glob("*.md"):
    assert page.name == "index.md" or f"({page.name})" in index, f"docs/index.md does not link {page.name}"
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
      assert (page.parent / target).exists(), f"{page.name} links {target}"
