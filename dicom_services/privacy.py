"""Keeps patient identifiers out of every log: called by whatever opens an association, server or client."""

import logging
import warnings

from pydicom import config as pydicom_config
from pynetdicom import _config as pynetdicom_config


def silence_libraries() -> None:
    """Stop pynetdicom and pydicom from printing what they read.

    pynetdicom logs whole query identifiers at INFO, pydicom quotes the offending value in its warnings. The node
    writes its own line per association and per refusal instead.
    """
    pynetdicom_config.LOG_HANDLER_LEVEL = "none"
    pynetdicom_config.LOG_REQUEST_IDENTIFIERS = False
    pynetdicom_config.LOG_RESPONSE_IDENTIFIERS = False
    for name in ("pynetdicom", "pydicom"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module="pydicom")
    warnings.filterwarnings("ignore", module="pynetdicom")
    pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
