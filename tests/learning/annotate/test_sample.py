"""The page of pairs to judge."""

from html.parser import HTMLParser

import pytest

from radir_node.domain.study import Modality
from radir_node.errors import UserError
from radir_node.learning.annotate.build import Order, annotate
from radir_node.learning.annotate.layout import Layout
from radir_node.learning.annotate.nodes import WHOLE
from radir_node.learning.annotate.page import write_page
from radir_node.learning.annotate.sample import draw_sample
from radir_node.learning.annotate.sources.report_file import ReportFile


class Page(HTMLParser):
    """What the tests read of a page: tags with their attributes, and marked texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.marked: list[tuple[str, str]] = []
        self._mark = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._mark = dict(attrs).get("class", "") if tag == "mark" else ""

    def handle_data(self, data):
        if self._mark:
            self.marked.append((self._mark, data))
            self._mark = ""


@pytest.fixture
def layout(tmp_path, write_csv, watcher) -> Layout:
    """Ten reports, all of other words, with effusions left and right, of the heart and of nothing."""
    texts = [f"Pleural effusion on the right, image {number}. Heart <b>normal</b> & calm." for number in range(4)]
    texts += [f"No pneumothorax, image {number}." for number in range(3)]
    texts += [f"Pleural thickening on the left, image {number}. Heart is enlarged." for number in range(3)]
    file = write_csv(tmp_path / "r.csv", ("id", "text"), [(f"case {n}", text) for n, text in enumerate(texts)])
    annotate(ReportFile(file, Modality.CXR), Order(tmp_path / "out", "train", only=("pleura", "heart", WHOLE)), watcher)
    return Layout(tmp_path / "out", "train")


def test_pairs_are_of_both_kinds_and_differ_in_text(layout):
    """Above 0.9 and below 0.5, no pair twice, in an order that tells nothing."""
    sample = draw_sample(layout, "pleura", seed=1)

    assert {"high", "low"} == {pair.kind for pair in sample.pairs}
    assert all(pair.similarity > 0.9 for pair in sample.pairs if pair.kind == "high")
    assert all(pair.similarity < 0.5 for pair in sample.pairs if pair.kind == "low")
    assert len(sample.pairs) == len({frozenset((pair.first.study, pair.second.study)) for pair in sample.pairs})
    assert all(pair.first.parts != pair.second.parts for pair in sample.pairs)
    assert all(pair.match.score == pytest.approx(pair.similarity, abs=1e-5) for pair in sample.pairs)


def test_no_more_pairs_than_were_asked_for(layout):
    """So many of each kind."""
    kinds = [pair.kind for pair in draw_sample(layout, "pleura", seed=1, pairs=2).pairs]

    assert (2, 2) == (kinds.count("high"), kinds.count("low"))


def test_the_seed_decides(layout):
    """The same seed draws the same pairs, another one others."""
    first, again, other = (draw_sample(layout, "pleura", seed) for seed in (1, 1, 2))

    assert first == again
    assert first.pairs != other.pairs


def test_the_text_is_whole_and_marked_where_it_speaks_of_the_anatomy(layout):
    """Sentences about the pleura are marked as stated or denied, those of the heart are not."""
    for pair in draw_sample(layout, "pleura", seed=1).pairs:
        for side in (pair.first, pair.second):
            marks = {mark: text for text, mark in side.parts if mark}
            assert marks
            assert all("Heart" not in text for text in marks.values())
            assert ("denied" in marks) == ("No pneumothorax" in "".join(text for text, _ in side.parts))


def test_the_page_needs_nothing_else(layout, tmp_path):
    """No address is loaded; texts are escaped; each pair has its score, its matches and a judgement."""
    sample = draw_sample(layout, "pleura", seed=1)

    write_page(sample, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    page = Page(text)

    assert [] == [tag for tag, attributes in page.tags if {"src", "href"} & set(attributes) or tag == "link"]
    assert "Heart &lt;b&gt;normal&lt;/b&gt; &amp; calm." in text
    assert len(sample.pairs) == sum(tag == "article" for tag, _ in page.tags)
    names = {attributes["name"] for tag, attributes in page.tags if tag == "input" and "name" in attributes}
    assert len(sample.pairs) == len(names)
    assert {"believed", "denied"} == {mark for mark, _ in page.marked}


def test_whole_reports_are_sampled_too(layout, tmp_path):
    """Without an anatomy, everything that a tag speaks of is marked."""
    sample = draw_sample(layout, WHOLE, seed=0)
    write_page(sample, tmp_path / "page.html")

    assert "the whole examination" in (tmp_path / "page.html").read_text()


def test_what_was_not_made_cannot_be_sampled(layout):
    """The table is named."""
    with pytest.raises(UserError, match="no table 'lungs' of the split 'train'"):
        draw_sample(layout, "lungs", seed=0)


def test_a_table_of_other_reports_is_no_sample(layout):
    """Captions that were changed: no study is taken for another, and none is named in the message."""
    layout.captions.write_text(layout.captions.read_text().replace("case 3", "case 33"))

    with pytest.raises(UserError, match="the table 'pleura' was made of other reports") as raised:
        draw_sample(layout, "pleura", seed=0)

    assert "case 3" not in str(raised.value)


def test_a_list_that_names_other_studies_is_no_sample(layout):
    """The list of a table was changed by hand."""
    layout.ids("pleura").write_text(layout.ids("pleura").read_text().replace("case 3", "case 33"))

    with pytest.raises(UserError, match=r"pleura\.csv names studies that") as raised:
        draw_sample(layout, "pleura", seed=0)

    assert "case 3" not in str(raised.value)


def test_a_table_without_such_pairs_says_so(tmp_path, write_csv, watcher):
    """Two studies at the middle are neither alike nor different."""
    rows = [("1", "Right pleural effusion."), ("2", "Left pleural effusion.")]
    file = write_csv(tmp_path / "r.csv", ("id", "text"), rows)
    annotate(ReportFile(file, Modality.CXR), Order(tmp_path / "out", "train", only=("pleura",)), watcher)

    with pytest.raises(UserError, match="no pair above"):
        draw_sample(Layout(tmp_path / "out", "train"), "pleura", seed=0)


def test_a_damaged_matrix_is_named(layout):
    """A file that is cut off, or of another size than its list."""
    layout.matrix("heart").write_bytes(b"")

    with pytest.raises(UserError, match=r"heart\.npy: no matrix"):
        draw_sample(layout, "heart", seed=0)
