"""What an example's words, columns or symbols do to the difference between two recipes.

Each is taken out, one at a time, of the examples that the page shows.
"""

from modeldiff.occlusion.pieces import Piece, Pieces
from modeldiff.occlusion.step import SHOWN, Mark, Marks, marks, read, write

__all__ = ["SHOWN", "Mark", "Marks", "Piece", "Pieces", "marks", "read", "write"]
