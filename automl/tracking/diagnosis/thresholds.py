"""Thresholds of the diagnosis, each with its reason.

`benchmarks/diagnosis.py` measures what they find in trainings with planted faults: those of even seeds served to choose
them, those of odd seeds judge them.
"""

from typing import Final

LEARNED: Final = 0.5
"""Share of a training after which it must have learned something: before, warm-up and mosaic explain low values."""
LEAST_EPOCHS: Final = 5
"""Epochs before which a detector's metrics say little: its first validations often stand at 0."""

PART: Final = 0.05
"""Share of the total below which a loss component says nothing; `dfl_loss` is 0.01 of it where `reg_max` is 1."""
VAL_TURNS: Final = 4
"""Changes of direction of the validation loss among the six of eight epochs."""
SWING: Final = 0.15
"""Mean step of a loss from epoch to epoch as a share of its mean. Healthy trainings reached 0.12: epochs of few batches
have another mean loss by chance, the more so where mosaic is drawn for a part of the images."""
DOMINANT: Final = 0.85
"""Share of one component in the training loss with which an oscillation is its own; a gain ten times too high gave 0.94
and more, healthy trainings up to 0.71."""
DOMINANT_SWING: Final = 0.1
"""The mean step of such a component on the validation split that is an oscillation: the metric does not improve, and
one gain holds nearly all of the loss, which no healthy training showed."""
METRIC_SWING: Final = 0.5
"""Mean step of the mAP50 as a share of its mean, with five turns in eight epochs, while it does not improve: healthy
trainings reached 0.36, learning rates too high 1.0 and more."""
WORSE: Final = 0.55
"""The mAP50 of the last epochs as a share of its best, where one component is nearly all of the loss; a gain 40 times
too high gave 0.42 to 0.49, a healthy training with such a component 0.62."""
COLLAPSED: Final = 0.01
"""Training loss as a share of its first value: no detector learns that well, its outputs died."""

SETTLED: Final = 0.05
"""Change of a loss over eight epochs, as a share of its mean, below which it counts as converged."""

RISE: Final = 1.07
"""Validation loss as a multiple of its lowest; healthy trainings reached 1.04, overfitted ones 1.12 and more."""
FALL: Final = 0.97
"""The training loss as a share of that at the lowest validation loss: it must still fall, else nothing is memorised."""
SCISSORS: Final = 4
"""Least number of validations since the lowest loss. All compared are with mosaic or all without: closing it lowers the
training loss."""
SMOOTHED: Final = 3
"""Epochs of a mean or median against the noise of one."""

BOX_SHARE: Final = 0.75
"""Fall of the box loss as a share of that of the class loss, where boxes are loose (below) and fall little: with moved
boxes it reached 0.72."""
BOX_FALL: Final = 0.2
"""Fall of the box loss; healthy trainings with mosaic and a fall of the class loss as below fell by 0.3 and more."""
LOOSE: Final = 0.48
"""Least box loss over its gain, a weighted mean of 1 - IoU: fine-tuned detectors begin below and fall little. Healthy
ones ended at 0.31 and less (0.51 on screws of few pixels, whose box loss fell by 0.24 and more), those with moved boxes
at 0.49 and more."""
LOCATED: Final = 0.05
"""Least best mAP50 so far with which the box loss is compared: a young training from random weights finds classes
before boxes; with moved boxes it may stay at 0.08."""
CLASS_FALL: Final = 0.2
"""Least fall of the class loss with which the box loss is compared: 0.22 to 0.3 in 12 epochs from random weights."""

FLAT_EPOCHS: Final = 8
"""Epochs without gain that count as a plateau."""
FLAT_LOSS: Final = 0.05
"""Largest fall of the training loss over these epochs, as a share: means of four epochs of few batches differ by that
much by chance."""
FLAT_METRIC: Final = 0.02
"""Largest gain of the metric over these epochs, as a share of the best value before."""
FLAT_BAND: Final = 0.1
"""Spread of the metric over these epochs, as a share of its best value, from which it is noise and no plateau: a high
learning rate that still falls moves it by 0.4 and gains later; one too low by 0.05."""

NOTHING: Final = 0.01
"""mAP50 of a detector that guesses."""
LONG_NOTHING: Final = 0.6
"""Share of a training after which that is a finding: some from random weights found their first objects just after
half."""

SUPPRESSED: Final = 0.25
"""AP50 of a class, or its recall at confidence 0.25, as a share of the median of the others."""
OTHERS: Final = 0.3
"""Least median of the other classes: before, the training is too young to compare classes."""

MISSED: Final = 0.5
"""Recall of small objects as a share of that of larger ones."""
LARGER: Final = 0.3
"""Least recall of larger objects: before, all sizes are missed."""

LOW_CONFIDENCE: Final = 0.08
"""Threshold of the best F1: a third of 0.25, at which thresholds in use start, so that most detections are cut off. Of
healthy trainings it was 0.096 and more, with 75% and more of train unlabelled 0.01 to 0.075."""
GOOD_F1: Final = 0.3
"""Least F1 with which features count as learned, so that only confidence is wrong."""

BACKGROUND: Final = 0.4
"""Share of the detections, at the threshold of the best F1, that overlap no true box."""
ANY_F1: Final = 0.1
"""Least F1 at which false detections are told from guesses."""

UNCHANGED: Final = 0.9
"""Share of inputs equal in two epochs."""
EXPECTED_UNCHANGED: Final = 0.5
"""Largest share that the settings explain: a flip with probability 0.5 leaves half of the images alike."""

TINY_RATIO: Final = 3.0
"""Share of tiny boxes in the inputs over that in the labels."""
TINY_GAIN: Final = 0.28
"""The same as a difference; healthy trainings reached 0.18 with scale 0.6 and mosaic, scale 0.95 gave 0.39."""

STARVED: Final = 0.5
"""Share of the time in which the device waits for data: above, a faster device gains nothing."""
STARVED_EPOCHS: Final = 2
"""Epochs in a row: the first one fills caches."""

SLOWER: Final = 2.0
"""Time of an epoch over that of the probe with as many trials on the GPU: a choice, above the spread of epochs."""
SLOWER_EPOCHS: Final = 2
"""Epochs in a row, without the first, which fills caches."""

FEWEST_TRIALS: Final = 8
"""Trials below which a study says nothing on its parameters."""
NO_EFFECT: Final = 0.1
"""Importance of a parameter as a share of an even one."""
EDGE: Final = 0.05
"""Distance to an end of the range, as a share of it, of the best value."""
EDGE_OTHERS: Final = 0.2
"""The same for the second and third best: one value near an end is chance."""
TIED: Final = 0.6
"""Share of trials at 0 at the first rung: more than the ladder would prune by their values."""
TIED_VALUE: Final = 0.005
"""Values below are no learning."""
PAIRS: Final = 5
"""Trials at both rung and end below which a rank correlation says nothing."""
RANKS: Final = 0.2
"""Rank correlation below which the first rung does not predict the end; among survivors it is lower than among all."""

CLASS_BOXES: Final = 20
"""True boxes of a class below which the model that ships is not judged on it: with 20, one box is 0.05 of recall."""
F1_GAIN: Final = 0.08
"""Gain of F1 by another threshold, chosen on the other half of the images: one box in twelve."""
UNCOVERED: Final = 0.25
"""Share of the objects of a class without a box at any confidence; a trained detector leaves few, since it may give 300
boxes an image from a confidence of 0.001 on."""
CONFUSED: Final = 0.2
"""Share of the objects of a class that are found as one other class."""
SERVED: Final = 20
"""Served boxes below which shares of them say little."""
SAME_IMAGES: Final = 5
"""Images with a false detection at one place below which that is chance."""
SAME_PLACE: Final = 0.3
"""Share of the false detections of background that lie at one place."""
OBJECTS_THERE: Final = 0.5
"""Share of all objects there, over that of false detections: where objects always are, errors are as well."""
MOST_COMPARED: Final = 1000
"""False detections compared with each other, those of the highest confidence: all pairs cost the square."""
SUPPRESSION_GAIN: Final = 0.03
"""Gain of F1 by a lower IoU of suppression; where it finds no duplicates it removes true boxes and loses."""
