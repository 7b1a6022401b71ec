"""`from_pretrained`, `save_pretrained`, `push_to_hub`: what users of the Hugging Face Hub expect of a network.

What they do is the business of the zoo (``ppkt_zoo/zoo/pretrained.py``), which stands above the networks. It is found
by its name when one of them is called, as a task's head is, so that a network knows no zoo and loads without it.
"""

import importlib
from os import PathLike
from pathlib import Path
from typing import Any, Self, TypedDict, Unpack

#: The module that does it.
ZOO = "ppkt_zoo.zoo.pretrained"


class Words(TypedDict, total=False):
    """What may be said of a network that is saved, see :meth:`PretrainedMethods.save_pretrained`."""

    name: str
    description: str
    data: str
    data_licence: str
    licence: str
    record: Any
    golden_cloud: Any
    dtype: str


class PretrainedMethods:
    """A base of every backbone.

    Attributes:
        loaded_from: the :class:`~ppkt_zoo.zoo.folder.WeightFolder` that a network was loaded from, where it was.
    """

    loaded_from: Any = None

    @classmethod
    def from_pretrained(
        cls,
        name: str | PathLike[str],
        *,
        revision: str | None = None,
        engine: str = "auto",
        device: Any = None,
        token: str | bool | None = None,
        cache_dir: str | PathLike[str] | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
    ) -> Self:
        """A backbone with its pretrained weights, in eval mode, in float32; see :func:`ppkt_zoo.load_backbone`.

            backbone = ppkt_zoo.Backbone.from_pretrained("me/my-backbone", revision="<40-hex commit>")

        Args:
            name: ``owner/name`` of a repository on the Hugging Face Hub, the path of a weight folder, or any name that
                :func:`ppkt_zoo.load_backbone` takes. A listed name goes before a folder of that name.
            revision: of the repository: a commit, which names one weight for good. A branch or a tag, or None, which is
                the branch main, is looked up; an :class:`~ppkt_zoo.errors.InputWarning` says which commit it is today.
            engine, device: as for :func:`ppkt_zoo.load_backbone`.
            token: of the Hub's user, or False for none; None is that of HF_TOKEN or ``hf auth login``.
            cache_dir: of the Hub's client; None is its own choice.
            force_download: fetch files again that lie in the cache.
            local_files_only: take what lies in the cache, or nothing.

        Raises:
            UnknownNameError: no such name.
            WeightError: no such repository or folder, not for this user, no weight of ours, damaged; nothing is loaded.
            InputError: it holds another kind of network than the class that this is called on; or ``revision`` is
                given for what has none.
        """
        found: Self = _zoo().load(
            cls,
            name,
            revision=revision,
            engine=engine,
            device=device,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
        )
        return found

    def save_pretrained(
        self,
        save_directory: str | PathLike[str],
        *,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        private: bool = False,
        token: str | None = None,
        **words: Unpack[Words],
    ) -> str | None:
        """Write a weight folder, which everything opens that opens weights; it appears whole or not at all.

        A network as it was loaded is written as the weight that it is: every file, byte for byte. One that was changed
        gets a record that names the weight it began with and claims no score of it, and reference outputs of its own.

        Args:
            save_directory: the folder; folders above it are made. A weight that lies there is replaced.
            repo_id, push_to_hub, private, token: push it too, see :meth:`push_to_hub`.
            words: what the record says, as for :func:`ppkt_zoo.save_segmentation`: ``description``, ``data``,
                ``data_licence`` and ``licence``; ``record`` (some or all of its fields), which goes before them;
                ``name`` (``architecture.tag``, by default the tag ``own``); ``golden_cloud``, of the kind that the
                network is for, which its reference output is computed for (that of the weight it began with, or a
                procedural room); ``dtype``, "float16" or "float32".

        Returns:
            The address of the commit, where it was pushed; else None.

        Raises:
            InputError: a word that is not known, or the network was built by hand; or as :meth:`push_to_hub` does.
            WeightError: NaN, a collapsed network, or it cannot be written; or the weight that it was loaded from,
                whose record is needed, is no more where it was.
            ManifestError: the name or the record breaks the rules.
        """
        _zoo().save(self, save_directory, words)
        if not push_to_hub:
            return None
        name = Path(save_directory).name if repo_id is None else repo_id
        return self.push_to_hub(name, private=private, token=token, **words)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str | None = None,
        private: bool = False,
        token: str | None = None,
        tag: str | None = None,
        **words: Unpack[Words],
    ) -> str:
        """Write the weight folder, verify it, and push it to the Hugging Face Hub as one commit.

        ``ppkt-zoo publish`` does more: it draws a picture for the card, downloads what was pushed, verifies it again
        and lists it.

        Args:
            repo_id: ``owner/name``; the repository is made where it is missing.
            commit_message: by default the weight's name and description.
            private: of a repository that is made; one that is there already must be private then.
            token: of the Hub's user; None is that of HF_TOKEN or ``hf auth login``.
            tag: of the commit; one that exists is never moved.
            words: as for :meth:`save_pretrained`.

        Returns:
            The address of the commit's page, which ends in the commit: ``from_pretrained(repo_id, revision=commit)``.

        Raises:
            InputError: the record forbids a public repository (without ``licence`` it does); or as ``publish`` does.
            WeightError: the Hub refuses or cannot be reached; the message never holds a token.
        """
        address: str = _zoo().push(self, repo_id, commit_message, words, tag=tag, private=private, token=token)
        return address


def _zoo() -> Any:
    return importlib.import_module(ZOO)
