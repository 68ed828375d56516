"""From what channels bring to one version of a report: HL7 v2 over MLLP, FHIR, REST, bulk files.

Every reader takes bytes and gives domain.received_report.ReceivedReport, or raises UnreadableReport with one line that
names the place and quotes nothing. Nothing is stored or looked up here: what comes in is handed on by node/.
"""
