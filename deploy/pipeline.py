"""The runs of the pipeline, each with what it stands on, what it leaves behind, and what of it need not be repeated."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from deploy import image_tag, jobs, registry, render
from deploy.apply import apply
from deploy.cluster import Cluster
from deploy.errors import DeployError, JobFailed, Refused
from deploy.objects.training import PACKAGE
from deploy.settings import Settings

_BEFORE = ("namespaces", "access", "network", "storage")
"""Concerns that a run needs."""


class Image(NamedTuple):
    """What a build pushed, or found in the registry."""

    image: str
    digest: str


class Pipeline:
    """Runs Jobs on a cluster and follows them. report: gets a line of progress at a time.

    Every method raises JobFailed when the Job fails, and Unreachable or Refused.
    """

    def __init__(self, cluster: Cluster, settings: Settings, report: Callable[[str], None]) -> None:
        self._cluster, self._settings, self._report = cluster, settings, report

    def train(self) -> str:
        """Return the tag of the model that was trained, or that need not be trained again."""
        return _tag(self._run("train", self._settings))

    def package(self) -> str:
        """Return the tag of the Bento that was made."""
        return _tag(self._run("package", self._settings))

    def training_image(self, *, if_changed: bool) -> Image:
        """Build the training image. if_changed: the commit that is checked out, unless its very image is there."""
        settings = self._settings
        name = settings.training_image
        if not if_changed:
            return self._always()
        commit = settings.git_commit or image_tag.head_commit()
        tag = image_tag.tag(settings, commit)
        chosen = settings.model_copy(update={"git_commit": commit, "training_tag": tag})
        try:
            digest = registry.digest(settings, name, tag)
        except Refused as error:
            if error.status != 404:
                raise
            digest = self._run("training-image", chosen)
            self._check(name, tag, digest)
        else:
            self._report(f"not built again: {chosen.training_reference} was made of the same files and arguments")
        registry.move(settings, name, tag, settings.training_tag)
        return Image(settings.training_reference, digest)

    def _always(self) -> Image:
        """Build the training image, and leave the tag by which `--if-changed` finds it again."""
        settings = self._settings
        commit = settings.git_commit or image_tag.branch_commit(settings)
        digest = self._run("training-image", settings.model_copy(update={"git_commit": commit}))
        why = ""
        if commit is None:
            why = f"git can't read branch {settings.git_branch} of {settings.git_url} from here; set --git-commit"
        elif not settings.registry_check:
            why = "registry_check is off"
        else:
            try:
                registry.move(settings, settings.training_image, settings.training_tag, image_tag.tag(settings, commit))
            except DeployError as error:
                why = str(error)
        if why:
            self._report(f"no tag says what the image was made of, so that --if-changed builds it again: {why}")
        return Image(settings.training_reference, digest)

    def serving_image(self) -> Image:
        """Build the serving image under its Bento's version and, once the registry has it, call it `latest` too."""
        settings = self._settings
        tag = settings.tag if settings.tag != registry.LATEST else self._packaged()
        versioned = settings.model_copy(update={"tag": tag})
        digest = self._run("serving-image", versioned)
        if settings.registry_check:
            self._check(settings.serving_image, tag, digest)
            registry.move(settings, settings.serving_image, tag, registry.LATEST)
            self._report(f"the registry has it, and {registry.LATEST} is it")
        return Image(versioned.serving_reference, digest)

    def verify(self) -> dict[str, Any]:
        """Return what the pushed image says of its model."""
        report: dict[str, Any] = json.loads(self._run("verify", self._settings))
        return report

    def load(self) -> None:
        """Ask the service from inside the cluster."""
        self._run("load", self._settings)

    def _run(self, name: str, settings: Settings) -> str:
        apply(self._cluster, render.objects(settings, *_BEFORE), lambda _: None)
        return jobs.run(self._cluster, render.run(settings, name), self._report)

    def _packaged(self) -> str:
        bento = jobs.termination_message(self._cluster, PACKAGE, self._settings.training_namespace)
        if bento is None:
            raise JobFailed("no packaging Job has succeeded lately; run `python -m deploy package`, or set --tag")
        return bento.rpartition(":")[2]

    def _check(self, image: str, tag: str, digest: str) -> None:
        """Ask the registry whether what Kaniko says it pushed is there."""
        present = registry.digest(self._settings, image, tag)
        if present != digest:
            raise JobFailed(f"the registry has {present} under {image}:{tag}, and Kaniko pushed {digest}")


def _tag(report: str) -> str:
    """Return what a Job left if it is a tag of the store. Raises JobFailed."""
    if not re.fullmatch(r"[\w.-]+:[\w.-]+", report):
        raise JobFailed(
            f"the Job ended well but left {report[:80]!r} instead of a tag; does the training image match this?"
        )
    return report
