"""C-FIND: identifiers, keys, matching, answers in the caller's character set."""
