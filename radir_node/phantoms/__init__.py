"""A generated archive: chest radiographs and chest CT drawn from one parametric thorax, with narrative reports.

Numbers and text only; dicom_services.phantom_archive turns them into DICOM files.
"""
