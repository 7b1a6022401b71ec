"""What a point file, a mesh or a folder of frames holds, what looks odd about it, and how it is read right."""
