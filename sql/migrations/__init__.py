"""The SQL text of each revision, up and down; a package so that an installed node finds it."""
