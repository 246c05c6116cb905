"""core.presets"""

import pytest

from core.addresses import to_ascii_domain
from core.presets import load_preset


def test_the_ubuntu_preset_has_the_six_domains_and_their_teams():
    assert {domain.name: domain.teams for domain in load_preset("ubuntu")} == {
        "ubuntu.com": ("ubuntumembers",),
        "kubuntu.org": ("kubuntu-members",),
        "lubuntu.me": ("lubuntu-members",),
        "edubuntu.org": ("edubuntu-members",),
        "ubuntustudio.com": ("ubuntustudio-core",),
        "ubuntu.net": ("ubuntu-smtp-test",),
    }


def test_every_domain_of_a_preset_is_one():
    for domain in load_preset("ubuntu"):
        assert to_ascii_domain(domain.name) == domain.name


@pytest.mark.parametrize("name", ["debian", "../presets/debian", "", "ubuntu.toml"])
def test_an_unknown_preset_is_not_found(name):
    with pytest.raises(FileNotFoundError):
        load_preset(name)


def test_a_preset_is_read_from_its_own_folder_only():
    assert load_preset("../../core/presets/ubuntu") == load_preset("ubuntu")
