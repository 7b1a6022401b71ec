"""What the proof of one weight and the comparison of many share: clouds, probes, retrieval, journal, tables."""
