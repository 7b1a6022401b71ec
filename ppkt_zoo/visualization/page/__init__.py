"""A cloud as one HTML page that opens anywhere, offline: colours, features, similarity by a click, classes, boxes."""

from ppkt_zoo.visualization.page.content import BoxSet, ClassSet, Content
from ppkt_zoo.visualization.page.page import Page, make_page, view

__all__ = ["BoxSet", "ClassSet", "Content", "Page", "make_page", "view"]
