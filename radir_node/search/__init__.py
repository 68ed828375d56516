"""The similar-case search: from a query study to ranked, explained, de-identified cases."""
