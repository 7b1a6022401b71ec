"""ScanNet (Dai et al., CVPR 2017), as it is downloaded: streams, exported frames and annotated meshes."""
