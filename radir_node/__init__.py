"""RadIR node: similar-case retrieval beside the PACS, anatomy by anatomy."""

__version__ = "0.1.0"
