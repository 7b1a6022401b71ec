"""Frames as shards: plain tar files with an index, read in any order or as a stream."""

from ppkt_zoo.data.shards.folder import ShardFrames

__all__ = ["ShardFrames"]
