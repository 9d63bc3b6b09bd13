"""Lessons: explanations for newcomers, one paragraph each, opened where they are needed."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Lesson:
    """One explanation: a title, and a text of 60 to 120 words in Markdown that begins with the term."""

    title: str
    text: str


LESSONS: Mapping[str, Lesson] = {
    "transfer-learning": Lesson(
        "Transfer learning",
        "Transfer learning starts from a network that was trained on another dataset, usually a million photographs. "
        "Much of what it has learned does not depend on the old classes: edges, textures, fur, eyes, ears. You keep "
        "that and train only what is new. Someone who can tell a hundred dog breeds apart recognises your "
        "neighbour’s two cats after a handful of photos; someone who has never seen an animal needs thousands. So "
        "transfer usually wins when you have few pictures. It helps least when your pictures look nothing like "
        "photographs, and a test flatters it when the network already knows your classes: ImageNet is full of dogs.",
    ),
    "feature-extraction": Lesson(
        "Feature extraction",
        "Feature extraction keeps the pretrained backbone frozen: not one of its numbers changes. The backbone turns "
        "every picture into a list of numbers, its *features*: how much fur, how pointed the ears. Only a new output "
        "layer, the *head*, is trained to read your classes from that list. This takes seconds, because the frozen "
        "part gives the same output every time and is computed once. The backbone cannot be damaged, so this is the "
        "safest choice with a few dozen pictures. Its limit: what the features do not show, the head cannot learn.",
    ),
    "fine-tuning": Lesson(
        "Fine-tuning",
        "Fine-tuning trains the pretrained backbone as well, or its last blocks, and so adapts it to your pictures. "
        "Its learning rate is lower than that of the head (a tenth, unless you choose otherwise), so that useful "
        "weights are not overwritten while the head is still random. Early blocks detect edges and colours, which "
        "every picture needs; late blocks detect things like snouts, which may not suit your subject. *Partial* "
        "therefore freezes the early blocks and *full* freezes none. Fine-tuning pays off from a few hundred "
        "pictures; with fewer it may overfit.",
    ),
    "gradual-unfreezing": Lesson(
        "Gradual unfreezing",
        "Gradual unfreezing trains in two stages. First only the new head is trained, on a frozen backbone. A new "
        "head starts with random weights, and its first corrections are large: passed on to the backbone they would "
        "damage it. Once the head has settled, the backbone is unfrozen and trained as well, with smaller steps. "
        "Think of a new dog trainer in a kennel: first the trainer learns the dogs’ commands, then trainer and dogs "
        "adapt to each other. The curves often show a small jump where the second stage begins. With a few hundred "
        "pictures the result is about as good as fine-tuning everything at once, and training is more stable.",
    ),
    "overfitting": Lesson(
        "Overfitting",
        "A network overfits when it memorises its training pictures instead of learning what the classes have in "
        "common: it remembers that the cat on the red sofa is Minka, and is lost when she lies in the grass. You see "
        "it when training accuracy keeps rising while validation accuracy does not, or when the validation loss "
        "turns upward. Remedies: more pictures, random crops and flips, fewer epochs, a smaller or frozen network. A "
        "small gap is normal. Training accuracy *below* validation accuracy is normal, too: augmented pictures are "
        "harder, dropout is on, and the figure is a mean over the whole epoch.",
    ),
    "underfitting": Lesson(
        "Underfitting",
        "A network underfits when it gets many of its training pictures wrong and no longer improves. It is the "
        "opposite of overfitting: a child who only checks whether an animal is brown will not learn to tell cats "
        "from dogs, however often you show the same photos. The network may be too small, too much of it may be "
        "frozen, or the learning rate may be too high or too low. Remedies: start from pretrained weights, unfreeze "
        "more blocks, try another learning rate, train longer. More pictures alone do not help here; they help "
        "against overfitting.",
    ),
    "learning-rate": Lesson(
        "Learning rate",
        "The learning rate sets how far the weights move in each step. Imagine a dog looking for the lowest point of "
        "a valley in fog: with tiny steps it is still on the slope at nightfall; with huge leaps it jumps from side "
        "to side, or out of the valley. With a rate that is too low the loss creeps down and is still falling at the "
        "end. With one that is too high the loss jumps, stays where guessing is, or grows until training diverges. "
        "Good values differ tenfold between networks. Leave the field empty for a rate that suits the training, or "
        "let the app search for one.",
    ),
    "epochs": Lesson(
        "Epochs",
        "One epoch means that the network has seen every training picture once. A network trained from scratch needs "
        "many epochs, because it starts from random weights; a head on a frozen backbone is often done after five. "
        "Watch the validation loss: while it falls, more epochs help; when it is flat, they only cost time; when it "
        "rises, they do harm. A puppy that has learned *sit* gains nothing from a hundred more lessons in *sit*. The "
        "weights of the best epoch are kept in any case, and *patience* ends a training that no longer improves.",
    ),
    "validation-and-test": Lesson(
        "Validation and test",
        "*Training*, *validation* and *test* are the three parts into which the pictures are split. The network "
        "learns from the training pictures. You make choices on the validation pictures: which epoch to keep, which "
        "settings to try next. The best of twenty tries on validation is partly luck, so that figure is too "
        "optimistic. The test pictures are used once, at the end, and decide nothing: like an exam with animals that "
        "were never used for practice. Report that figure. If you keep changing settings until the test result "
        "pleases you, the test split has become another validation split.",
    ),
    "confidence-intervals": Lesson(
        "Confidence intervals",
        "A confidence interval shows how far chance may have moved a figure. Had you photographed other cats and "
        "dogs, the accuracy would differ a little. Of intervals made this way, 95 in 100 contain the accuracy on "
        "endlessly many such pictures. With 18 of 20 test pictures right the interval runs from about 70 to 97 %; "
        "with 180 of 200, from 85 to 93 %. So a few pictures cannot separate good from very good. Two networks are "
        "compared picture by picture on the *same* pictures: that is sharper than checking whether two intervals "
        "overlap.",
    ),
    "calibration": Lesson(
        "Calibration",
        "A network is calibrated if its probabilities can be believed: of all answers given with 80 %, about 80 in "
        "100 are right. A good weather forecast works the same way: when it says 80 %, it rains on four days out of "
        "five. Networks that were trained for too long are often overconfident: “cat, 99 %”, and yet one in ten is a "
        "dog. Accuracy does not show this; the reliability diagram does. *Temperature scaling* repairs much of it: "
        "one number, fitted on validation pictures, makes all answers less (or more) confident. It changes no "
        "answer.",
    ),
    "seeds": Lesson(
        "Seeds",
        "The seed is the number from which all randomness in a training is drawn: the first weights, the order of "
        "the pictures, random crops. The same seed gives the same run. Another seed may give two points more or less "
        "with identical settings, just as two puppies of one litter learn at different speeds. So a difference "
        "between two single runs may be luck. Three to five seeds for each network show how large that luck is; the "
        "band around a curve is the range from the lowest to the highest seed.",
    ),
    "accuracy": Lesson(
        "Accuracy",
        "Accuracy is the share of pictures that are classified correctly. It hides how the errors are spread: with "
        "90 dogs and 10 cats, answering “dog” every time is 90 % accurate and never finds a cat. So compare it with "
        "always answering the most common class, and look at each class: *recall* is the share of its pictures that "
        "were found, *precision* the share of its answers that were right. A class that is hardly ever found usually "
        "has too few pictures or looks like another class. Collect about as many pictures of each.",
    ),
    "fair-comparison": Lesson(
        "A fair comparison",
        "A fair comparison gives both networks the same chance: the same training, validation and test pictures and "
        "the same budget. Equal epochs, equal pictures seen and equal seconds are three different budgets, each fair "
        "in its own way: a large network may win by epochs and lose by the minute. Everything else, such as "
        "augmentation or batch size, should be equal: if you change the dog, the lead and the park at once, you will "
        "not know why the walk was better. And one seed is only one try.",
    ),
    "shortcuts": Lesson(
        "Shortcuts",
        "A shortcut is anything that separates the classes without being the subject. A network cannot know what you "
        "meant. If all cats were photographed on the sofa and all dogs in the park, “green at the bottom” is enough: "
        "100 % in the test, and wrong as soon as a cat sits in the grass. Cameras, file compression, borders and "
        "watermarks work just as well. The test split does not reveal it, because its pictures come from the same "
        "place. So check how well the class can be predicted without the subject, look at heatmaps, and try pictures "
        "from elsewhere.",
    ),
}


def explain(name: str, label: str | None = None, *, key: str | None = None) -> None:
    """Draw a button that opens an explanation.

    Args:
        name: of the lesson, such as `transfer-learning`.
        label: of the button; by default “<title> explained”.
        key: needed where a page offers the same lesson twice.
    """
    lesson = LESSONS[name]
    with st.popover(label or f"{lesson.title} explained", type="tertiary", key=key or f"lesson-{name}"):
        st.markdown(f"**{lesson.title}**")
        st.markdown(lesson.text)
