"""What the words of the report mean."""

from __future__ import annotations

from typing import Final, NamedTuple


class Term(NamedTuple):
    """An entry of the glossary."""

    anchor: str
    name: str
    meaning: str


GLOSSARY: Final = (
    Term(
        "pair",
        "Pair",
        "Two texts that are alike but for the protected attribute, such as she and he. "
        "Whatever differs in the model between them is due to that word.",
    ),
    Term("arm", "Arm", "One of the values that are swapped: she is one arm, he the other."),
    Term(
        "control",
        "Control pair",
        "A swap that should show no direction: the same words with two people of the same group "
        "(nurse and secretary), or a neutral swap (Monday and Tuesday). It shows what happens for nothing.",
    ),
    Term(
        "head",
        "Attention head",
        "A part of the model that decides which earlier words to look at. 15-7 is head 7 of layer 15; "
        "both are counted from 0.",
    ),
    Term(
        "bias",
        "Signed bias",
        "How much further a head's look shifts towards the noun that the stereotype ties to the word that "
        "stands there, from −1 to 1. Positive: the look follows the stereotype; negative: against it; "
        "0: no difference. Where in the sentence the nouns stand cancels out.",
    ),
    Term(
        "nie",
        "Causal effect (NIE)",
        "The natural indirect effect: what becomes of the model's answer when this head alone behaves as if "
        "the other word stood there. In nats of log-odds; positive drives the stereotyped reading. "
        "Attention alone explains no answer, so no head is called biased without it.",
    ),
    Term(
        "ablation",
        "Ablation",
        "Heads are taken out in both texts: they give nothing, or what they give on average on neutral text, or look "
        "at every word alike. What is told is the fall of the total effect, in nats; where it has the effect's own "
        "sign, the heads carried that much of it.",
    ),
    Term(
        "te",
        "Total effect",
        "How much more the model favours the stereotyped completion when the swapped word is changed: the "
        "log-odds after the first arm minus those after the second, in nats. Positive: with the stereotype; "
        "0: no difference; negative: against it.",
    ),
    Term(
        "rows",
        "From the swapped word, from the last word",
        "A head is read twice: where it looks from the swapped word (the pronoun), and from the word that "
        "predicts what comes next.",
    ),
    Term(
        "carries",
        "Carries",
        "Bias and causal effect are both beyond chance, the bias is at least the smallest that counts, the "
        "whole interval of the effect lies beyond the smallest that counts, and the effect goes the way of "
        "the stereotype (the look may turn either way). Only these are flagged.",
    ),
    Term(
        "opposes",
        "Opposes",
        "The same, but the effect goes against the stereotype: such a head moves the answer away from it.",
    ),
    Term(
        "moves",
        "Moves",
        "The look shifts with the arm, without an effect on the answer that is certain and large enough: it "
        "may be chance, or smaller than counts, or hold alone but not together with the look. This does not "
        "show that there is no effect.",
    ),
    Term(
        "acts",
        "Acts",
        "The head moves the answer, without a shift of its look at the two nouns that is certain and large "
        "enough.",
    ),
    Term(
        "pattern",
        "Habit of a head",
        "Where a head mostly looks in neutral texts without people: the previous or next word, the word itself, the "
        "same word elsewhere, the first token (a resting place), punctuation, evenly over the words (bag of words), "
        "or mixed. In brackets: 0 is what chance gives, 1 all of its attention; for mixed, to the place that comes "
        "nearest.",
    ),
    Term(
        "embedding",
        "Embeddings",
        "The numbers that stand for a word inside the model, in its table of words or after a block. d: how much "
        "nearer one set of words is to an attribute than another set, −2 to 2 (WEAT). Rank correlation: 1 if words "
        "lie along a direction such as she–he exactly in the order of their numbers, 0 without any order.",
    ),
    Term(
        "divergence",
        "Divergence (JSD)",
        "How differently a head spreads its look over both texts, in bits: 0 the same, 1 nothing in common. "
        "Any swap moves heads, so it stands beside that of the controls and flags nothing.",
    ),
    Term(
        "interval",
        "Interval",
        "The range that fits the data, with templates and nouns both taken as samples: at 95 % confidence, "
        "unless another level stands beside it. A head that the correction picks out gets a wider one, at a "
        "higher level, because picking the largest makes them look larger than they are.",
    ),
    Term(
        "adjusted",
        "Adjusted p",
        "The probability of such a result by chance, corrected for having tested many heads at once.",
    ),
    Term(
        "mde",
        "Smallest visible effect (MDE)",
        "What this audit would find four times out of five. Smaller effects may exist unseen.",
    ),
    Term("nat", "Nat", "Unit of log-odds. 0.1 nats shift an even choice by about 2.5 percentage points."),
    Term(
        "inconclusive",
        "Inconclusive",
        "The interval reaches across the limit, or the audit could not have seen an effect of the limit's "
        "size. It is not a pass.",
    ),
    Term(
        "waiver", "Waiver", "A signed acceptance of a failure, with an owner, a reason and a date of expiry."
    ),
)
