"""The page: what it says in which case, that names stay text, that it is one file."""

import dataclasses
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import report_studies

from modeldiff.comparison.agreement import Agreement
from modeldiff.dataset import Dataset, Images
from modeldiff.report import (
    charts,
    drawing,
    histograms,
    images,
    page,
    predictions,
    summary,
    words,
)
from modeldiff.report.results import Results
from modeldiff.report.words import chance
from modeldiff.study import Study

pytest_plugins = ["report_fixtures"]


class Text(HTMLParser):
    """Tags, text outside of scripts, and scripts of a page."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.scripts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.scripts[-1] += data
        else:
            self.text += data


def test_hostile_names_stay_text(hostile_json):
    html = (hostile_json.parent / "report.html").read_text()
    read = Text(html)
    assert [tag for tag, _ in read.tags].count("script") == 3
    assert report_studies.HOSTILE[0] in read.text
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)
    content = json.loads(read.scripts[0])
    assert set(content["labels"]["test"].values()) <= set(report_studies.HOSTILE)
    assert "<" not in read.scripts[0]


def test_the_page_is_one_file(study_json):
    html = (study_json.parent / "report.html").read_text()
    outside = re.sub(r"<script>.*?</script>", "", html, flags=re.S)
    assert "http://" not in outside
    assert "https://" not in outside
    assert not re.search(r"<(link|iframe|object)\b", outside)
    sources = [a["src"] for tag, a in Text(html).tags if "src" in a]
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert len(html) < 2_000_000


def test_a_page_says_when_nothing_stands_out_and_when_nothing_was_tested(loaded):
    def pages(agreement, **fields):
        pair = loaded.pairs[0]
        ways = tuple(dataclasses.replace(way, **fields) for way in pair.ways)
        pair = dataclasses.replace(pair, ways=ways, agreement=agreement)
        changed = dataclasses.replace(loaded, pairs=(pair,), planted=None)
        return page.render(changed, summary.summarise(changed)).split("<main>")[1]

    nothing = np.zeros(10, bool)
    nowhere = {"p_value": np.full(10, 0.4), "significant": nothing}
    silent = pages(Agreement(0.93, 0.84, 1.02, 0.2), **nowhere)
    assert "No difference found" in silent
    assert "Use of all images: p = 0.2." in silent
    assert "agree to 0.93 [0.84, 1.02]" in silent
    unknown = pages(Agreement(np.nan, np.nan, np.nan, 0.4), p_value=np.ones(10))
    assert "How alike they are is not known" in unknown
    assert "none of 20 stands out" in silent
    assert "smallest p = 0.4" in silent
    assert "No difference found</span> in how" in silent
    scaled = pages(Agreement(0.93, 0.84, 1.02, 0.01), **nowhere)
    assert "No difference found</span> but in scale in how" in scaled
    spread = pages(Agreement(0.5, 0.4, 0.6, 0.01), **nowhere)
    assert "No difference found" not in spread
    assert 'They <span class="yes">use the training images differently</span>' in spread
    assert "the similarity is <strong>0.50</strong>, where 1 would be the same use" in spread
    assert "Use of all images: p ≤ 0.05, the smallest that 19 exchanges can give" in spread
    assert "No direction is found" in spread
    assert "Take them as the same" not in spread
    still = np.zeros((10, 3))
    assert "All directions lie at 0" in pages(None, reach_a=still, reach_b=still)
    assert "All directions lie at 0" not in pages(None, reach_a=still + 1, reach_b=still)
    could = loaded.pairs[0].power
    assert could is not None
    assert not could.enough  # 70 models see little
    assert f"about {could.needed:,} models of each would show it" in silent
    untested = pages(None, p_value=np.full(10, np.nan), significant=nothing)
    assert "No difference found" not in untested
    assert "A direction alone proves nothing" in untested
    stands_out = {"p_value": np.full(10, 0.005), "significant": ~nothing}
    alike = Agreement(math.nan, math.nan, math.nan, 0.01)
    found = pages(alike, **stands_out, overlap=np.full(10, 0.25))
    assert "agree to" not in found
    assert "use some of the training images differently" in found
    assert "stands out from chance (p ≤ 0.05, the smallest that 19 exchanges can give)" in found
    assert "agree on 5 of its 20 strongest training images" in found
    unknown = "Which training images differ is not known yet"
    assert unknown not in found
    assert unknown in pages(alike, **stands_out, overlap=np.zeros(10))


def test_the_glossary_says_what_a_direction_of_this_method_is(loaded):
    words = {}
    for method in ("contrast", "residual"):
        comparison = loaded.study.comparison.model_copy(update={"method": method})
        study = dataclasses.replace(loaded.study, comparison=comparison)
        changed = dataclasses.replace(loaded, study=study)
        words[method] = page.render(changed, summary.summarise(loaded))
    assert "of the difference between the two algorithms&#39; datamodels" in words["contrast"]
    assert "less what the other&#39;s explain" in words["residual"]
    assert "less what the other&#39;s explain" not in words["contrast"]


def test_one_measure_says_whose_direction_it_is(loaded, study_json):
    """The reach, on the axes and in the text; nothing beside it that could say otherwise."""
    stands_out = dataclasses.replace(
        loaded.pairs[0].ways[0],
        significant=np.full(10, True),
        second_follows=np.tile([0.5, 0.4, 0.6], (10, 1)),
    )
    pair = dataclasses.replace(loaded.pairs[0], ways=(stands_out, loaded.pairs[0].ways[1]))
    changed = dataclasses.replace(loaded, pairs=(pair,))
    html = page.render(changed, summary.summarise(changed)).split("<main>")[1]
    assert "follows it" not in html
    assert "times as far" not in html
    about = json.loads(Text(html).scripts[0])["pairs"][0]["ways"][0]["about"][0]
    reached = [words.reach(stands_out, side, 0) for side in "ab"]
    assert about.startswith(f"Reach {reached[0]} under plain and {reached[1]} under masked.")


def test_directions_after_the_first_that_fails_are_said_not_to_be_tested(loaded):
    way = dataclasses.replace(
        loaded.pairs[0].ways[0],
        p_value=np.array([0.05, 0.4] + 8 * [0.4]),
        significant=np.arange(10) < 1,
        critical_value=np.array([1.0, 1.0] + 8 * [np.nan]),
    )
    assert chance(way, 0, 19).startswith("Stands out from chance (p ≤ 0.05, the smallest that 19 ")
    assert chance(way, 1, 19) == "No more than chance gives (p = 0.4)."
    assert chance(way, 2, 19) == "Not tested, since a stronger one does not stand out from chance."
    unknown = dataclasses.replace(way, p_value=np.full(10, np.nan))
    assert chance(unknown, 0, None) == "Not tested against chance."


def test_numbers_are_short_and_have_no_exponent():
    assert [words.short(x) for x in (112.0, 0.0123, 5.0, 0.0)] == ["110", "0.012", "5", "0"]
    assert words.short(-1234567.0) == "-1,200,000"
    assert words.p_value(1e-7) == "p < 0.001"
    assert words.p_value(0.2, 99) == "p = 0.2"
    assert words.p_value(None) == "not tested"


def test_models_that_failed_are_counted_of_every_algorithm(loaded):
    content = summary.summarise(loaded)
    config = loaded.study.config
    third = {"between": config["algorithms"]["plain"]}  # of no pair
    study = Study.load(config | {"algorithms": config["algorithms"] | third})
    left_out = {"plain": 0, "masked": 2, "between": 3}
    failing = dataclasses.replace(loaded, study=study, left_out=left_out)
    html, models = page.render(failing, content), loaded.study.verification.models
    assert "plain: none of 120." in html
    assert "masked: 0 of 120 subset models and 2 full-data models, left out" in html
    assert f"between: 3 of {models} models on all images, left out" in html
    assert "left out after their outcome was seen" in html
    assert "left out after their outcome was seen" not in page.render(loaded, content)
    own = dataclasses.replace(
        loaded.algorithms["plain"],
        failed={"3": "diverged: outputs are not finite", "7": "missing: x"},
    )
    worse = dataclasses.replace(loaded, algorithms=loaded.algorithms | {"plain": own}, left_out={})
    assert "2 of 120 subset models (1 diverged, 1 missing) and 0" in page.render(worse, content)


def test_a_large_study_fits_the_page(loaded, monkeypatch):
    # 50 directions of noisy colour images: what no codec shrinks.
    rng = np.random.default_rng(0)
    n_train, n_test, k = 6000, 2500, 50
    splits = [
        Images(rng.integers(0, 256, (n, 3, 32, 32), np.uint8), rng.integers(0, 10, n))
        for n in (n_train, n_test)
    ]
    targets = np.arange(0, n_test - 50)
    data = Dataset(*splits, loaded.data.classes, targets, np.arange(n_test - 50, n_test))
    ways = [
        dataclasses.replace(
            way,
            directions=rng.normal(size=(k, n_train)),
            projections=rng.normal(size=(len(targets), k)),
            **{f: rng.random(k) for f in ("explained", "variance_a", "variance_b")},
            **{f: rng.random(k) for f in ("p_value", "overlap", "critical_value")},
            **{f: rng.random((k, 2)) for f in ("interval_a", "interval_b")},
            **{f: rng.random((k, 3)) for f in ("reach_a", "reach_b", "second_follows")},
            significant=rng.random(k) < 0.5,
            **{f"train_{end}": rng.integers(0, n_train, (k, 20)) for end in ("high", "low")},
            **{f"test_{end}": rng.integers(0, len(targets), (k, 20)) for end in ("high", "low")},
        )
        for way in loaded.pairs[0].ways
    ]
    pair = dataclasses.replace(loaded.pairs[0], ways=tuple(ways))
    weights = rng.normal(size=(len(targets), n_train)).astype(np.float32)
    monkeypatch.setattr(Results, "weights", lambda self, name: weights)
    classes = len(data.classes)
    predicted = [rng.integers(0, classes, (50, n_test), np.int32) for _ in range(2)]
    said = [predictions.of_classes(one, data.test.labels) for one in predicted]
    large = dataclasses.replace(
        loaded,
        data=data,
        pairs=(pair,),
        planted=None,
        predictions={"plain": said[0], "masked": said[1]},
    )
    html = page.render(large, summary.summarise(large))
    assert len(html.encode()) < 15_000_000


def test_images_are_embedded_once_and_as_they_are(loaded):
    split = loaded.data.test
    uris = images.embed({"test": (split, [3, 1, 3])})["test"]
    assert list(uris) == [1, 3]
    assert uris[1] == images.uri(split.images[1])
    grey, colour = np.zeros((1, 4, 6), np.uint8), np.zeros((3, 4, 6), np.uint8)
    assert images.pixels(grey).shape == (4, 6)
    assert images.pixels(colour).shape == (4, 6, 3)
    assert images.pixels(np.full((2, 4, 6), 8, np.uint8)).tolist() == [[8] * 6] * 4


def test_every_chart_of_the_page_has_its_specification(study_json):
    read = Text((study_json.parent / "report.html").read_text())
    wanted = {a["data-chart"] for _, a in read.tags if "data-chart" in a}
    assert wanted == set(json.loads(read.scripts[0])["charts"])


def test_two_pairs_share_a_page(loaded):
    two = dataclasses.replace(loaded, pairs=loaded.pairs * 2)
    content = summary.summarise(two)
    assert len(content["comparisons"]) == 4
    assert content["effects"] == summary.summarise(loaded)["effects"]
    html = page.render(two, content)
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert {"directions-0", "directions-1"} <= set(ids)


def test_a_direction_stands_where_it_reaches(loaded):
    way = loaded.pairs[0].ways[0]
    reach = np.tile([0.2, 0.1, 0.3], (10, 1))
    mine = dataclasses.replace(way, reach_a=reach, reach_b=reach / 4, variance_a=way.variance_b)
    pair = dataclasses.replace(loaded.pairs[0], ways=(mine,))
    spec = charts.scatter("plain", "masked", pair.ways, ["plain minus masked"])
    assert {(p["x"], p["y"]) for p in spec["data"]["values"]} == {(0.2, 0.05)}
    assert words.reach(mine, "a", 3) == "0.2 [0.1, 0.3]"
    unknown = dataclasses.replace(mine, reach_a=reach * [1, np.nan, np.nan])
    assert words.reach(unknown, "a", 3) == "0.2"


def test_histograms_count_everything():
    spec = histograms.histogram(np.array([0.0, 1, 1, 2]), "x", "about")
    assert sum(row["n"] for row in spec["data"]["values"]) == 4


def test_labels_of_the_scatter_do_not_overlap(loaded):
    reach = np.array([[0.30, 0, 0], [0.31, 0, 0], [0.05, 0, 0], *(7 * [[0.2, 0, 0]])])
    way = dataclasses.replace(loaded.pairs[0].ways[0], reach_a=reach, reach_b=reach / 4)
    spec = charts.scatter("plain", "masked", (way,), ["plain minus masked"])
    labels = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "text")
    assert [point["rank"] for point in labels["data"]["values"]] == [1, 3]


def test_the_score_of_datamodels_is_said_in_words(loaded):
    def said(mean, low, ceiling):
        lds = loaded.algorithms["plain"].lds
        return words.quality(dataclasses.replace(lds, mean=mean, low=low, ceiling=ceiling))

    assert said(0.8, 0.7, 0.9).startswith("predict 89% of what can be predicted: about as good")
    assert "good enough to look at groups" in said(0.5, 0.4, 0.9)
    assert "mostly noise" in said(0.1, 0.05, 0.9)
    assert "read no further" in said(0.1, -0.05, 0.9)
    assert "how much could be predicted is not known" in said(0.1, 0.05, math.nan)


def test_no_sentence_fills_a_column_of_a_table(loaded):
    html = page.render(loaded, summary.summarise(loaded)).split("<main>")[1]
    cells = re.findall(r"<td>([^<]*)</td>", html)
    long = [cell for cell in cells if len(cell.split()) > 6]
    assert len(long) == len(set(long))


def test_the_drawing_shows_the_study_itself(loaded):
    drawn = drawing.draw(loaded, 0, 0)
    chosen = [column.uri for column in drawn.columns]
    pictures = [images.small(one) for one in loaded.data.train.images]
    places = [pictures.index(uri) for uri in chosen]
    packed = np.load(loaded.folder / "subsets/masks.npy")
    masks = np.unpackbits(packed, axis=1)[:, : len(pictures)].astype(bool)
    first = loaded.study.evaluation_subsets
    same = [pictures.count(uri) == 1 for uri in chosen]  # two images may look alike
    for k, column in enumerate(drawn.columns):
        if same[k]:
            assert column.drawn == masks[first : first + 3, places[k]].tolist()
    row = loaded.data.targets.tolist().index(drawn.test_image)
    weights = loaded.weights("plain")[row, places]
    shares = np.array([column.a for column in drawn.columns])
    assert np.corrcoef(weights[same], shares[same])[0, 1] > 0.999
