"""The one exception tree. The class decides what happens to the work: retry, quarantine, or tell the user.

    RadirError
    +-- TransientError        try again later: a peer, the database or the disk may come back
    |   +-- DatabaseDown
    |   +-- StorageFull
    |   +-- PeerUnavailable
    |   +-- EncoderUnavailable
    +-- NotIndexable          the object is kept, listed with its reason, and never tried again as it is
    |   +-- UnreadableReport
    +-- UserError             what was asked for cannot be answered; the message says what and where
        +-- UnknownStudy
        +-- UnknownAnatomy
        +-- NothingIndexed
        +-- InvalidSetting

Messages are one line, name the thing and the place, and never hold a patient's identifier.
"""


class RadirError(Exception):
    """Root of everything the node raises on purpose."""

    exit_code = 1


class TransientError(RadirError):
    """The same work may succeed later; a job that raises it is retried."""

    exit_code = 75  # EX_TEMPFAIL of sysexits


class DatabaseDown(TransientError):
    """The catalogue does not answer."""


class StorageFull(TransientError):
    """The storage root has no room left, or cannot be written."""


class PeerUnavailable(TransientError):
    """A DICOM peer refused the association, or did not answer in time."""


class EncoderUnavailable(TransientError):
    """The model server does not answer, or the model is not loaded."""


class NotIndexable(RadirError):
    """The object was read and cannot be made searchable; the text is the reason shown to people."""

    exit_code = 65  # EX_DATAERR


class UnreadableReport(NotIndexable):
    """A message or document holds no report that can be read; it goes to the dead letters."""


class UserError(RadirError):
    """The request cannot be answered as it stands."""

    exit_code = 2


class UnknownStudy(UserError):
    """No such study in the catalogue, or it is not indexed."""


class UnknownAnatomy(UserError):
    """The name is not in the anatomy vocabulary."""


class NothingIndexed(UserError):
    """No vector of that modality is indexed yet."""


class InvalidSetting(UserError):
    """A key of the configuration is unknown or out of range."""
