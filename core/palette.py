"""The colours, markers and line styles by which arms and runs are told apart, on pages and in reports alike.

Arms differ in all three, so that colour is never the only signal.
"""

# Okabe & Ito's colour-blind-safe palette
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
SYMBOLS = ("circle", "triangle", "diamond", "rect", "roundRect", "pin")
LINES = ("solid", "dashed", "dotted")
