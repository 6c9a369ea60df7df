"""Reads a page of `moco gallery` or `moco demo` as a browser would."""

import os
from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes


class PageReader(HTMLParser):
    """Collects the addresses, the headings and the captions of a page, and checks its nesting."""

    VOID = frozenset({"meta", "img", "br", "link"})

    def __init__(self, page):
        super().__init__()
        self.addresses, self.titles, self.captions, self.printed = [], [], [], []
        self.num_figures = 0
        self.open = []
        self.feed(page.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        self.num_figures += tag == "figure"
        if tag == "pre":
            self.printed.append("")
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "pre" in self.open:
            self.printed[-1] += data
        elif "h2" in self.open:
            self.titles.append(data)
        elif "figcaption" in self.open:
            self.captions.append(data)


def find_linked(page):
    """Return the files that a page shows, as paths that exist."""
    linked = [
        page.parent / os.fsdecode(unquote_to_bytes(address))
        for address in PageReader(page).addresses
    ]
    assert [path for path in linked if not path.is_file()] == []
    return sorted({path.resolve() for path in linked})
