"""Meshes: read through trimesh, their surface sampled to points with the colours that viewers show."""
