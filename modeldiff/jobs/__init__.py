"""Training jobs: which models each trains, how far they are, what is missing. No torch here."""
