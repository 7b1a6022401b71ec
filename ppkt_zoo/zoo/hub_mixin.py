"""huggingface_hub's mixin on a backbone: for what the Hub's own tools ask for, and for pushing one."""

from pathlib import Path
from typing import Any

from huggingface_hub import ModelHubMixin

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.backbones.pretrained import Words
from ppkt_zoo.zoo.names import StrPath
from ppkt_zoo.zoo.pretrained import save


class HubBackbone(ModelHubMixin, library_name="ppkt-zoo", tags=["point-cloud", "3d"]):
    """A backbone as a :class:`huggingface_hub.ModelHubMixin`, whose folder is ours.

    A class of its own, and no base of every network: huggingface_hub takes longer to import than a weight to load, and
    the mixin removes the ``config.json`` of the folder that it is about to write.

    Attributes:
        backbone: the network.
    """

    def __init__(self, backbone: Backbone, words: Words | None = None) -> None:
        """``words`` are said of the network where it is saved, see :meth:`~ppkt_zoo.Backbone.save_pretrained`."""
        self.backbone = backbone
        self.words: Words = {} if words is None else words

    def _save_pretrained(self, save_directory: Path) -> None:
        save(self.backbone, save_directory, self.words)

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: StrPath | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        **network: Any,
    ) -> "HubBackbone":
        found = Backbone.from_pretrained(
            model_id,
            revision=revision,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
            **network,
        )
        return cls(found)
