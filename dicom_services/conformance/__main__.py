"""`python -m dicom_services.conformance` writes CONFORMANCE.md beside this package."""

from dicom_services.conformance.statement import STATEMENT, statement

STATEMENT.write_text(statement(), encoding="utf-8")
