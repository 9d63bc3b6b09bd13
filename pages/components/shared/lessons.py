"""Explanations for newcomers, one paragraph each, opened where they are needed: `explain("transfer-learning")`."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Lesson:
    """One explanation: a title, and a text of 60 to 120 words in Markdown."""

    title: str
    text: str


LESSONS: Mapping[str, Lesson] = {
    "transfer-learning": Lesson(
        "Transfer learning",
        "A network that has learned from a million photographs knows a lot that has nothing to do with its old "
        "classes: edges, textures, fur, eyes, ears. Transfer learning keeps this knowledge and teaches only what is "
        "new. Somebody who can tell a hundred dog breeds apart learns your neighbour’s two cats from a handful of "
        "photos; somebody who has never seen an animal needs thousands. So transfer usually wins when you have few "
        "pictures. It helps least when your pictures look nothing like photographs, and it flatters you when the "
        "network has met your very classes before: ImageNet is full of dogs.",
    ),
    "feature-extraction": Lesson(
        "Feature extraction",
        "The pretrained backbone stays as it is, frozen, and turns every picture into a list of numbers, its "
        "features: how much fur, how pointed the ears. Only a new output layer, the head, learns to read your "
        "classes from that list. This takes seconds, because the backbone’s answers never change and are computed "
        "once. Nothing in the backbone can be spoilt, so it is the safest choice with some dozens of pictures: a "
        "few hundred numbers tell Rex from Minka. Its limit: what the features do not show, the head cannot learn.",
    ),
    "fine-tuning": Lesson(
        "Fine-tuning",
        "Here the backbone learns too, or its last blocks do: what it knows is adapted to your pictures. Its steps "
        "are smaller than those of the head (a tenth, unless you choose otherwise), so that good knowledge is not "
        "overwritten before the new head makes sense. Early blocks see edges and colours, which every picture "
        "needs; late blocks see things like snouts, which may not fit your subject. So *partial* freezes the early "
        "ones and *full* frees all. Fine-tuning pays from some hundreds of pictures on, as for telling sick leaves "
        "from healthy ones; with fewer it may learn them by heart.",
    ),
    "gradual-unfreezing": Lesson(
        "Gradual unfreezing",
        "Two stages. First only the new head learns, on a frozen backbone. A fresh head begins with random weights, "
        "and its first corrections are wild: sent through the backbone they would damage what it knows. When the "
        "head has settled, the backbone joins in with smaller steps. It is like a new dog trainer in a kennel: "
        "first the trainer learns the dogs’ commands, then trainer and dogs adapt to each other. The curves often "
        "show a small jump where the second stage begins. With some hundreds of pictures it is about as good as "
        "fine-tuning everything at once, and calmer.",
    ),
    "overfitting": Lesson(
        "Overfitting",
        "A network can get its training pictures right by understanding or by heart. Learning by heart shows when "
        "training accuracy goes on rising and validation accuracy does not, or when validation loss turns upward: "
        "it remembers that the cat on the red sofa is Minka, and is lost when she lies in the grass. Remedies: more "
        "pictures, random crops and flips, fewer epochs, a smaller or frozen network. A small gap is normal. "
        "Training accuracy *below* validation is normal as well: augmented pictures are harder, dropout is on, and "
        "the figure is a mean over the epoch.",
    ),
    "underfitting": Lesson(
        "Underfitting",
        "The network has not even learned its own training pictures, and no longer gets better. It is the opposite "
        "of learning by heart: somebody who only ever looks at whether the animal is brown will not tell cats from "
        "dogs, however often they look at the same photos. The network may be too small, too much of it may be "
        "frozen, or its steps may be too small or too large. Remedies: start from pretrained weights, let more "
        "blocks learn, look for another learning rate, train longer. More pictures alone do not help here; they "
        "help against overfitting.",
    ),
    "learning-rate": Lesson(
        "Learning rate",
        "How far the weights move in each step. Imagine a dog that looks for the lowest point of a valley in fog: "
        "with tiny steps it is still on the slope when evening comes; with huge leaps it jumps from side to side, "
        "or out of the valley. So a rate that is too low shows as a loss that creeps down and is far from flat at "
        "the end; one that is too high as a loss that jumps, stays at guessing or grows without limit. Good values "
        "differ by ten from network to network. Leave the field empty for a fitted rate, or let the app look for "
        "one.",
    ),
    "epochs": Lesson(
        "Epochs",
        "One epoch means that every training picture was seen once. A few are too few for a network from scratch, "
        "which has to invent everything itself; a head on a frozen backbone is often done after five. Look at the "
        "validation loss: while it falls, more epochs help; when it is flat, they cost time; when it rises, they do "
        "harm. A puppy that has learned *sit* gains nothing from a hundred more lessons on *sit*. The weights of "
        "the best epoch are kept in any case, and *patience* ends a training that no longer gets better.",
    ),
    "validation-and-test": Lesson(
        "Validation and test",
        "Pictures are split three ways. The network learns from the *training* pictures. On the *validation* "
        "pictures choices are made: which epoch to keep, which settings to try next. Whoever chooses the best of "
        "twenty tries by validation picks a little luck with it, so that figure is too rosy. The *test* pictures "
        "are looked at once, at the end, and decide nothing: like a vet’s exam with animals nobody has practised "
        "on. That is the figure to report. If you change settings until the test pleases, it has become another "
        "validation split.",
    ),
    "confidence-intervals": Lesson(
        "Confidence intervals",
        "Had you photographed other cats and dogs, the accuracy would be a little different. A 95 % interval says "
        "how much: intervals that are made this way contain the accuracy on endlessly many such pictures in 95 of "
        "100 cases. With 18 of 20 test pictures right, it goes from about 70 to 97 %; with 180 of 200, from 85 to "
        "93 %. So few pictures cannot tell good from very good. Two networks on the *same* pictures are compared "
        "picture by picture: that is sharper than looking whether two intervals overlap.",
    ),
    "calibration": Lesson(
        "Calibration",
        "A network gives a probability with every answer. It is *calibrated* if these can be believed: of all "
        "answers with 80 %, about 80 of 100 are right, as it rains on four of five days for which a good forecast "
        "says 80 %. Networks that learned too long are often too sure of themselves: “Cat, 99 %” and yet one in ten "
        "is a dog. Accuracy does not show this, the reliability diagram does. Temperature scaling mends much of it: "
        "all answers are made less (or more) sure by one number, found on validation pictures, and no answer "
        "changes.",
    ),
    "seeds": Lesson(
        "Seeds",
        "Chance has its hand in every training: the first weights, the order of the pictures, random crops. The "
        "*seed* is the number from which that chance is rolled; the same seed gives the same run. Another one may "
        "give two points more or less with identical settings, just as two puppies of one litter learn at different "
        "speed. So a difference between two single runs may be luck of the draw. Three to five seeds per network "
        "show how much the luck weighs; the band around a curve is what they span.",
    ),
    "accuracy": Lesson(
        "Accuracy",
        "The share of pictures that are right. It hides how the errors are spread: with 90 dogs and 10 cats, “dog” "
        "to everything is 90 % accurate and has never found a cat. So compare it with saying the commonest class "
        "every time, and look at each class: *recall* is the share of its pictures that were found, *precision* the "
        "share of its answers that were right. Where a class is hardly found, it mostly has too few pictures, or "
        "looks like another. Bring about as many of each.",
    ),
    "fair-comparison": Lesson(
        "A fair comparison",
        "Two networks can be compared if they had the same chance: the same training, validation and test pictures, "
        "and the same budget. Equal epochs, equal pictures seen and equal seconds are three different budgets, and "
        "each is fair in its own way: a large network wins by epochs and may lose by the minute. Everything else, "
        "such as augmentation or batch size, should be the same: who changes the dog, the lead and the park at once "
        "does not learn why the walk was better. And one seed is one try.",
    ),
    "shortcuts": Lesson(
        "Shortcuts",
        "A network learns whatever separates the classes, and does not know what you meant. If all cats were "
        "photographed on the sofa and all dogs in the park, “green below” is enough: 100 % in the test, and lost "
        "when a cat sits in the grass. Cameras, file compression, borders or watermarks work as well. The test "
        "split does not reveal this, since its pictures come from the same place. So look what can be told without "
        "the subject, look at heat maps, and try pictures from elsewhere.",
    ),
}


def explain(name: str, label: str | None = None, *, key: str | None = None) -> None:
    """A button that opens an explanation.

    Args:
        name: of the lesson, such as `transfer-learning`.
        label: of the button; by default the lesson's title.
        key: needed where one lesson is offered twice on a page.
    """
    lesson = LESSONS[name]
    with st.popover(label or f"{lesson.title} explained", type="tertiary", key=key or f"lesson-{name}"):
        st.markdown(f"**{lesson.title}**")
        st.markdown(lesson.text)
