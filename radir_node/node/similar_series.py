"""The virtual series "RadIR similar cases" of every indexed study: named without computing, made when it is retrieved.

Implements dicom_services.scp.ports.SimilarCasesPort; also behind `radir sr`, the pages' download and the push job.
"""

import structlog

log = structlog.get_logger()
