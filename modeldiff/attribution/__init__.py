"""Scores from elsewhere, compared in place of datamodels: files of scores, or TRAK's."""
