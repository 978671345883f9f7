"""What the words of this method mean; the page says it where a word first stands."""

from modeldiff.study import Study
from modeldiff.study.kinds import Kind


def terms(study: Study, scores: bool, kind: Kind) -> dict[str, str]:
    """Meanings by word. scores: whether any algorithm is compared by scores from elsewhere.

    kind: of the examples.
    """
    contrast = study.comparison.method == "contrast"
    largest = study.training.margin == "max"
    others = "the largest of the others" if largest else "the logsumexp of the others"
    if contrast:
        component = (
            "a principal component of the difference between the two algorithms' datamodels, which "
            "are fitted together to the margins of both"
        )
        unit = ", in units of the margin, noise taken out"
        if_scaled = " A factor on all margins that explains most of what differs is taken out."
    else:
        component = (
            "a principal component of one algorithm's datamodels less what the other's explain"
        )
        unit = ", noise included"
        if_scaled = ""
    instead = " Scores from elsewhere are compared in its place." if scores else ""
    meanings = {
        "margin": f"How far the logit of the correct class is above {others}: above 0 is good.",
        "datamodel": "For one test image, a weight for each training image: what the margin gains "
        f"when that image is trained on.{instead}",
        "direction": f"A weighting of training images: {component}. Its sign is chosen so that the "
        "small, extreme group is at the positive end.",
        "reach": "How far an algorithm's datamodels go along a direction: the root of the mean "
        f"square over test images{unit}. A direction belongs to the algorithm that reaches further."
        f"{if_scaled}",
        "agreement": "The cosine of all weights of one algorithm's datamodels with all of the "
        "other's, noise taken out: 1 if they are the same up to "
        "one factor.",
        "exchanges": "If the two do not differ, it makes no difference which of two models trained "
        "on the same images is called which. Names are exchanged at random, many times; p is the "
        "share of all attempts, the true names included, that give a difference as large.",
        "interval": "95%, by Student's t over models and images at once unless it says otherwise: "
        "what new models and new images would give.",
        "LDS": "Linear datamodelling score: the rank correlation of predicted and true margins "
        "over subsets that the datamodel was not fitted on.",
        "ceiling": "The highest LDS that the randomness of training allows.",
        "score": "Of a test image: how far its "
        f"{'difference between the two datamodels' if contrast else 'residual datamodel'} "
        "goes along the direction. Of a training image: its weight in the direction.",
    }
    return {word: kind.said(meaning) for word, meaning in meanings.items()}
