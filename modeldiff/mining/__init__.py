"""The feature behind a difference: found, chosen and proved on images and models of their own."""
