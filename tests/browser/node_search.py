"""The frontend's node search, which a double click on the canvas opens."""

from playwright.sync_api import Page


def open_search(page: Page, tries: int = 6) -> None:
    """Double-clicks the canvas until it listens: on a busy machine that can be seconds after the page is there."""
    for _ in range(tries):
        page.wait_for_timeout(1500)  # milliseconds
        page.mouse.dblclick(960, 500)
        page.wait_for_timeout(1500)
        if page.locator("input:focus").count():
            return
    raise AssertionError("no search field after a double click")


def hits(page: Page, words: str) -> list[list[str]]:
    """What the open search finds for words, best first: the lines of each hit, its name before its pack."""
    field = page.get_by_role("search").get_by_role("combobox").first  # the node shown beside the list has others
    field.fill(words)
    page.wait_for_timeout(500)  # milliseconds, for the list to follow
    return [text.splitlines() for text in page.get_by_test_id("result-item").all_inner_texts()]
