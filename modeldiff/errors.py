"""What a user reads when something is wrong: one line, never a traceback."""


class UserError(Exception):
    """A mistake or a state of the disk that the user can mend; the message is one line."""


class Damaged(UserError):
    """An artefact that is truncated, altered, or made from other inputs than the study's."""
