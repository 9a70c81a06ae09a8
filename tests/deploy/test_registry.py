"""What is asked of a registry, and what its refusals mean."""

import pytest

from deploy import registry
from deploy.errors import Refused, Unauthorized, Unreachable
from deploy.settings import Settings
from tests.deploy.registry import DIGEST, MANIFEST


@pytest.fixture
def settings(images):
    """Settings that name the registry, which has one image."""
    images.tags["one"] = MANIFEST
    return Settings(registry=images.address, registry_insecure=True)


def test_a_tag_has_a_digest(settings):
    assert registry.digest(settings, "ada/reader", "one") == DIGEST


def test_another_tag_becomes_the_very_same_manifest(images, settings):
    registry.move(settings, "ada/reader", "one", "latest")
    assert images.tags["latest"] == MANIFEST


def test_an_image_that_is_not_there_is_reported(settings):
    with pytest.raises(Refused, match=r"ada/reader:two is not in the registry; run `python -m deploy build`"):
        registry.digest(settings, "ada/reader", "two")


@pytest.mark.parametrize(("status", "expected"), [(401, "not sent over plain HTTP"), (403, "docker login")])
def test_refused_credentials_are_reported(images, settings, status, expected):
    images.status = status
    with pytest.raises(Unauthorized, match=expected):
        registry.digest(settings, "ada/reader", "one")


def test_a_registry_in_trouble_is_reported(images, settings):
    images.status = 500
    with pytest.raises(Refused, match="answers 500"):
        registry.move(settings, "ada/reader", "one", "latest")


def test_a_registry_that_is_not_there_is_reported():
    settings = Settings(registry="127.0.0.1:9", registry_insecure=True)
    with pytest.raises(Unreachable, match="registry and registry_insecure"):
        registry.digest(settings, "ada/reader", "one")
