"""Report mining: from narrative text to anatomy and finding tags, each with its evidence; and what of it is shown."""
