"""Addresses: what a person types or pastes, and what it names."""

import pytest

from core.datasets.downloads.download_address import HubAddress, parse_address, parse_hub
from core.datasets.downloads.ready_made import find_set
from core.errors import DatasetError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hf://ada/pets", HubAddress("ada/pets")),
        ("hf://datasets/ada/pets", HubAddress("ada/pets")),
        ("hf://ada/pets@v1.0/small/train", HubAddress("ada/pets", "v1.0", "small/train")),
        ("hf://ada/pets@refs/convert/parquet/default", HubAddress("ada/pets", "refs/convert/parquet", "default")),
        ("https://huggingface.co/datasets/ada/pets", HubAddress("ada/pets")),
        ("https://huggingface.co/datasets/ada/pets/?library=datasets#card", HubAddress("ada/pets")),
        ("https://huggingface.co/datasets/ada/pets/viewer/default/train", HubAddress("ada/pets")),
        ("https://www.huggingface.co/datasets/ada/pets/tree/main/data", HubAddress("ada/pets", "main", "data")),
        ("catalogue:eurosat", find_set("eurosat")),
        ("pets.zip", None),
        ("/home/ada/hf/pets", None),
        ("C:\\pets", None),
    ],
)
def test_an_address_names_a_set_a_dataset_or_a_path(text: str, found: object) -> None:
    assert parse_address(text) == found
    if isinstance(found, HubAddress):
        assert parse_address(found.text) == found


def test_the_page_takes_owner_and_name_alone() -> None:
    assert parse_hub(" ada/pets ") == HubAddress("ada/pets")
    assert parse_hub("ada/pets").name == "pets"


@pytest.mark.parametrize("text", ["hf://pets", "hf://", "hf://ada/../pets", "hf://ada/pets@", "hf://a b/c", "pets"])
def test_what_names_nothing_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(DatasetError, match="write its owner and name, such as "):
        parse_hub(text)


def test_two_addresses_do_not_share_a_folder() -> None:
    keys = {parse_hub(text).key for text in ("a/b", "a/c", "a/b@v1", "a/b/small")}
    assert len(keys) == 4
