"""Features of many files: which ones, made how, by which processes, and what became of each."""
