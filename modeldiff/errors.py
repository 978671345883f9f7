"""What a user reads when something is wrong: one line, never a traceback of ModelDiff's own."""


class UserError(Exception):
    """A mistake or a state of the disk that the user can mend; the message is one line.

    details: what is printed below the line, e.g. the traceback of a function of the user's own.
    """

    def __init__(self, message: str, details: str = ""):
        super().__init__(message)
        self.details = details

    def report(self) -> str:
        """The line and, below it, the details: what is printed before the program ends."""
        return "\n".join(filter(None, (f"modeldiff: {self}", self.details)))


class Damaged(UserError):
    """An artefact that is truncated, altered, or made from other inputs than the study's."""
