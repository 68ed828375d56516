"""The verbs of the command line, one module per noun; each builds a Node and prints."""
