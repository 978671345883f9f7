"""A micro language model: the format of CodeGen2, losses, what a token sees, what a study gets."""

import math

import numpy as np
import pytest
import torch

from modeldiff.attribution.gradients import influences
from modeldiff.core.errors import UserError
from modeldiff.dataset import Images
from modeldiff.language_models import accuracies, corrupted, micro_lm, restored, spans, train
from modeldiff.language_models.corruption import EOD, EOM, MASKS, MOST, SEP, SHORTEST, SPANS
from modeldiff.language_models.model import visible
from modeldiff.language_models.objectives import OBJECTIVES, Lesson, loss
from modeldiff.study import Study, kinds
from modeldiff.training import Member, engine
from modeldiff.training.shard import margin

TAGS = "ab"


def model(length=16, seed=0, **options):
    torch.manual_seed(seed)
    return micro_lm((length,), 2, tags=TAGS, width=16, layers=2, **options)


def encoded(*texts, length=16):
    return torch.from_numpy(kinds.encoded(texts, length)).long()


def cost(module, tokens, prefix):
    """The cost of each token in nats, by a loop over positions, each seeing only what it may."""
    costs = []
    for place in range(prefix, len(tokens)):
        before = torch.tensor([tokens[:place]])
        following = module.following(before, torch.tensor([prefix]))[0, -1]
        costs.append(-following.log_softmax(0)[tokens[place]])
    return torch.stack(costs)


@pytest.mark.parametrize("length", [SHORTEST, 5, 9, 40, 96])
def test_a_corrupted_text_can_be_put_together_again(length):
    text = [1 + place % 255 for place in range(length)]
    for draw in range(100):
        cut_out = spans(length, "test", draw)
        assert 1 <= len(cut_out) <= SPANS
        end = 0
        for start, stop in cut_out:
            assert end < start < stop <= length  # never the first token, never two that touch
            end = stop
        assert sum(stop - start for start, stop in cut_out) <= max(1, math.ceil(MOST * length))
        assert restored(corrupted(text, cut_out)) == text


def test_the_format_is_that_of_codegen2():
    text = list(b"prefix-span-and-suffix")
    expected = [*b"prefix-", MASKS[0], *b"-and-", MASKS[1], EOD, SEP]
    expected += [MASKS[0], *b"span", EOM, MASKS[1], *b"suffix", EOM]
    assert corrupted(text, [(7, 11), (16, 22)]) == expected


def test_spans_depend_on_their_key_alone():
    assert spans(80, "a", 1) == spans(80, "a", 1)
    many = {tuple(spans(80, "a", draw)) for draw in range(100)}
    assert len(many) > 90
    assert {len(found) for found in many} == {1, 2, 3}


def test_half_of_a_mixture_is_corrupted():
    text = list(b"a text of some length")
    lessons = [OBJECTIVES["mixture"](text, 0, draw) for draw in range(400)]
    changed = [lesson for lesson in lessons if SEP in lesson.tokens]
    assert 150 < len(changed) < 250
    assert all(restored(lesson.tokens) == text for lesson in changed)
    assert all(lesson.tokens == text for lesson in lessons if SEP not in lesson.tokens)
    assert {lesson.prefix for lesson in lessons} == {1}


def test_what_a_token_sees_is_what_brute_force_says():
    seen = visible(6, torch.tensor([1, 3, 6]))
    for row, prefix in enumerate((1, 3, 6)):
        for here in range(6):
            for there in range(6):
                expected = there <= here or (here < prefix and there < prefix)
                assert seen[row, here, there] == expected


@pytest.mark.parametrize("prefix", [1, 3])
def test_a_loss_is_that_of_a_loop_over_positions(prefix):
    """Of two texts of different lengths, so that padding would be seen."""
    module = model()
    first, second = list(b"a text"), list(b"b longer text")
    costs = torch.cat([cost(module, first, prefix), cost(module, second, prefix)])
    lessons = [Lesson(first, prefix), Lesson(second, prefix)]
    computed = loss(module, lessons, torch.device("cpu"))
    torch.testing.assert_close(computed, costs.mean(), rtol=1e-5, atol=1e-6)


def test_a_prefix_is_read_in_both_directions():
    """A later letter of the prefix changes what an earlier one leads to; in causal reading not."""
    module = model()
    texts = encoded("a text", "a tExt")
    causal = module.following(texts, torch.tensor([1, 1]))[:, 2]
    both = module.following(texts, torch.tensor([5, 5]))[:, 2]
    assert torch.equal(causal[0], causal[1])
    assert not torch.allclose(both[0], both[1])


def test_a_margin_is_the_mean_log_probability_and_a_constant():
    module = model(nats=2.0)
    texts, contents = ("a text", "b longer text"), (list(b"a text"), list(b"b longer text"))
    logits = module(encoded(*texts))
    found = margin(logits[None], torch.tensor([0, 1]), "log_odds")[0]
    for value, content in zip(found, contents, strict=True):
        expected = 2.0 - cost(module, content, 1).mean()
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)


def test_infill_and_left_to_right_accuracies_are_those_of_a_loop():
    module = model(length=32)
    text = list(b"a few words that are long enough")
    found = accuracies(module, kinds.encoded([bytes(text).decode()], 32), span=8)
    candidates = []
    for start in range(1, len(text) - 7):
        before, answer, after = text[:start], text[start : start + 8], text[start + 8 :]
        asked = [*before, MASKS[0], *after, EOD, SEP, MASKS[0]]
        shares = []
        for context, prefix in ((before, 1), (before, start), (asked, 1)):
            right = 0
            for place in range(8):
                tokens = torch.tensor([context + answer[:place]])
                guessed = module.following(tokens, torch.tensor([prefix]))[0, -1].argmax()
                right += int(guessed) == answer[place]
            shares.append(right / 8)
        candidates.append((*shares, 8))
    assert tuple(found) in candidates


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_training_learns_and_depends_on_its_seed_alone(objective):
    texts = encoded("a one two three", "b four five six")
    trained = []
    for seed in (0, 0, 1):
        module = model()
        train(module, texts, torch.tensor([0, 1]), seed, objective=objective, epochs=20)
        trained.append(module)
    before, after = model()(texts).amax(1), trained[0](texts).amax(1)
    assert (after > before + 1).all()  # nats a byte
    first, again, other = (list(module.parameters()) for module in trained)
    assert all(map(torch.equal, first, again))
    assert not all(map(torch.equal, first, other))


def test_only_a_mixture_learns_to_predict_spans_that_were_cut_out():
    texts = ["aone two three", "btwo three one"]
    contents = [list(text.encode()) for text in texts]
    unseen = []
    for number, content in enumerate(contents):
        for draw in range(20):
            cut_out = spans(len(content), "unseen", number, draw)
            tokens = corrupted(content, cut_out)
            unseen.append(Lesson(tokens, tokens.index(SEP) + 2))
    cost_of = {}
    for objective in ("causal", "mixture"):
        module = model()
        train(module, encoded(*texts), torch.zeros(2), 0, objective=objective, epochs=100)
        cost_of[objective] = float(loss(module, unseen, torch.device("cpu")).detach())
    assert cost_of["mixture"] < 2.0  # nats a token
    assert cost_of["causal"] > 5.0


def test_a_study_trains_it_and_takes_its_gradients():
    path = "modeldiff.language_models"
    recipe = {
        "model": {"name": f"{path}:micro_lm", "tags": TAGS, "width": 8},
        "train": {"name": f"{path}:train", "objective": "causal", "epochs": 1},
    }
    config = {
        "study": "language",
        "dataset": {"name": "texts", "path": "unread.jsonl"},
        "subsets": {"models": 120, "evaluation": {"subsets": 50, "repeats": 1}},
        "algorithms": {"x": recipe, "y": recipe},
        "comparison": {"pairs": [["x", "y"]]},
    }
    algorithm = Study.load(config).algorithms["x"]
    content = kinds.encoded(["a one", "b two", "a three", "b four"], 8)
    data = Images(content, np.array([0, 1, 0, 1]))
    members = [Member(("m", number), np.arange(4)) for number in range(2)]
    groups = list(engine.train(algorithm, data, 2, members, width=2))
    assert [group.models for group in groups] == [1, 1]
    assert groups[0].logits(content).shape == (1, 4, 2)
    (influence,) = influences(groups[0], data, data)
    assert influence.values.shape == (4, 4)
    assert influence.values.diagonal().min() > 0


def test_what_a_config_gets_wrong_is_one_line():
    with pytest.raises(UserError, match=r"model\.tags: is 'abc'; must be a letter for each of 2"):
        micro_lm((8,), 2, tags="abc")
    with pytest.raises(UserError, match=r"train\.objective: is 'fill'; must be causal or mixture"):
        train(model(), encoded("a"), torch.tensor([0]), 0, objective="fill")
