"""What a page says, read as a browser would: texts by the marks that it carries, and all of its text."""

import re
from html.parser import HTMLParser

EMPTY = {"meta", "br", "link", "img"}
NO_NUMBER = re.compile(r"\b(nan|none|null|inf|infinity|undefined)\b", re.IGNORECASE)


class Page(HTMLParser):
    """`marked[("data-statistic", "gmi_pct")]` is the text of the element with that attribute."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.marked: dict[tuple[str, str], str] = {}
        self.grey: set[str] = set()  # headings of what is greyed as a whole, and marks in grey lines
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.all_tags: set[str] = set()
        self.ids: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.all_tags.add(tag)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag not in EMPTY:
            self.tags.append((tag, given))

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.all_tags.add(tag)
        self.ids += [str(value) for name, value in attributes if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        while self.tags:
            if self.tags.pop()[0] == tag:
                return

    def handle_data(self, data: str) -> None:
        if any(tag in ("style", "title") for tag, _ in self.tags):
            return
        self.text += data
        is_grey = any("grey" in str(given.get("class", "")).split() for _, given in self.tags)
        for tag, given in self.tags:
            for name, value in given.items():
                if name.startswith("data-") and value:
                    self.marked[name, value] = (self.marked.get((name, value), "") + data).strip()
                    if is_grey:
                        self.grey.add(value)
            if tag == "h2" and is_grey:
                self.grey.add(data)

    def of(self, mark: str) -> dict[str, str]:
        """Texts by the value of one mark: `of("statistic")["gmi_pct"]`."""
        return {value: text for (name, value), text in self.marked.items() if name == f"data-{mark}"}

    @property
    def no_numbers(self) -> list[str]:
        """Words in the text and in the figures that stand for a number that there is not."""
        figures = " ".join(re.findall(r'<path d="([^"]*)"', self.html))
        return NO_NUMBER.findall(self.text) + NO_NUMBER.findall(figures)
