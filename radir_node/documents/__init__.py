"""Text of documents, whatever brought them: PDF, CDA, RTF, HTML; and the customary names of report sections.

Called by the readers of DICOM objects and by the intake of reports. Everything here takes bytes, keeps to limits, and
answers what it cannot read with UnreadableReport and one line of reason that quotes nothing.
"""
