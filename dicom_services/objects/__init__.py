"""From DICOM files to domain values: headers, radiographs, CT volumes, report text, previews.

Called by the receive path (headers) and by the ingest use case (whole studies). Everything here reads tolerantly,
within limits, and answers what it cannot use with NotIndexable and one line of reason.
"""
