"""The steps of the pipeline, each a Job on the cluster with its result."""

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

_REQUIRED = ("namespaces", "access", "network", "storage")
"""Concerns that every Job needs."""


class Image(NamedTuple):
    """An image in the registry."""

    image: str
    digest: str


class Pipeline:
    """Runs Jobs on a cluster and follows them. report: called with each line of progress.

    Every method raises JobFailed when the Job fails, and Unreachable or Refused.
    """

    def __init__(self, cluster: Cluster, settings: Settings, report: Callable[[str], None]) -> None:
        self._cluster, self._settings, self._report = cluster, settings, report

    def train(self) -> str:
        """Train unless nothing has changed, and return the tag of the model."""
        return _tag(self._run_job("train", self._settings))

    def package(self) -> str:
        """Package the model and return the tag of the Bento."""
        return _tag(self._run_job("package", self._settings))

    def training_image(self, *, if_changed: bool) -> Image:
        """Build the training image. if_changed: build the checked out commit unless the registry has its image."""
        settings = self._settings
        name = settings.training_image
        if not if_changed:
            return self._build_always()
        commit = settings.git_commit or image_tag.head_commit()
        tag = image_tag.tag(settings, commit)
        chosen = settings.model_copy(update={"git_commit": commit, "training_tag": tag})
        try:
            digest = registry.digest(settings, name, tag)
        except Refused as error:
            if error.status != 404:
                raise
            digest = self._run_job("training-image", chosen)
            self._check_digest(name, tag, digest)
        else:
            self._report(f"not built again: {chosen.training_reference} has the same files and arguments")
        registry.move(settings, name, tag, settings.training_tag)
        return Image(settings.training_reference, digest)

    def _build_always(self) -> Image:
        """Build the training image, and tag it by its inputs for `--if-changed`."""
        settings = self._settings
        commit = settings.git_commit or image_tag.branch_commit(settings)
        digest = self._run_job("training-image", settings.model_copy(update={"git_commit": commit}))
        reason = ""
        if commit is None:
            reason = f"git can't read branch {settings.git_branch} of {settings.git_url} from here; set --git-commit"
        elif not settings.registry_check:
            reason = "registry_check is off"
        else:
            try:
                registry.move(settings, settings.training_image, settings.training_tag, image_tag.tag(settings, commit))
            except DeployError as error:
                reason = str(error)
        if reason:
            self._report(f"the image has no tag of its inputs, so --if-changed will build it again: {reason}")
        return Image(settings.training_reference, digest)

    def serving_image(self) -> Image:
        """Build the serving image, tag it with the version of its Bento and then with `latest`."""
        settings = self._settings
        tag = settings.tag if settings.tag != registry.LATEST else self._packaged_version()
        versioned = settings.model_copy(update={"tag": tag})
        digest = self._run_job("serving-image", versioned)
        if settings.registry_check:
            self._check_digest(settings.serving_image, tag, digest)
            registry.move(settings, settings.serving_image, tag, registry.LATEST)
            self._report(f"the registry has it, and {registry.LATEST} is it")
        return Image(versioned.serving_reference, digest)

    def verify(self) -> dict[str, Any]:
        """Check the model in the pushed image and return the report."""
        report: dict[str, Any] = json.loads(self._run_job("verify", self._settings))
        return report

    def load(self) -> None:
        """Run the load test in the cluster."""
        self._run_job("load", self._settings)

    def _run_job(self, name: str, settings: Settings) -> str:
        apply(self._cluster, render.objects(settings, *_REQUIRED), lambda _: None)
        return jobs.run(self._cluster, render.run(settings, name), self._report)

    def _packaged_version(self) -> str:
        bento = jobs.termination_message(self._cluster, PACKAGE, self._settings.training_namespace)
        if bento is None:
            raise JobFailed("no packaging Job has succeeded lately; run `python -m deploy package`, or set --tag")
        return bento.rpartition(":")[2]

    def _check_digest(self, image: str, tag: str, digest: str) -> None:
        """Check that the registry has the digest that Kaniko pushed."""
        present = registry.digest(self._settings, image, tag)
        if present != digest:
            raise JobFailed(f"the registry has {present} under {image}:{tag}, and Kaniko pushed {digest}")


def _tag(report: str) -> str:
    """Return the result of a Job if it is a tag of the model store. Raises JobFailed."""
    if not re.fullmatch(r"[\w.-]+:[\w.-]+", report):
        raise JobFailed(
            f"the Job ended well but left {report[:80]!r} instead of a tag; does the training image match this?"
        )
    return report
