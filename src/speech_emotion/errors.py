"""Errors that are the user's to mend."""


class UserError(Exception):
    """Something that the user can mend: the message names the thing, its value and the cure.

    Commands print the message alone, without a traceback, and exit with status 1.
    """
