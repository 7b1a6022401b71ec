"""3D object detection: VoteNet on any backbone (Qi et al. 2019, arXiv 1904.09664), and its scores."""
