"""What every adapter declares, held against what it implements."""

import pytest

import adapters
from core.adapter import Adapter, Capabilities, Settings

PLATFORMS = sorted(adapters.PLATFORMS)
OPTIONAL = {
    "edit": lambda can: can.can_edit,
    "typing": lambda can: can.typing_lasts > 0,
    "find": lambda can: can.can_find,
}
PLAUSIBLE = {"number": "+14155238886", "account_sid": "AC" + "0" * 32}
"""What is no secret, but has a form."""


@pytest.fixture(params=PLATFORMS)
def platform(request):
    return request.param


def test_it_does_what_it_declares_and_declares_what_it_does(platform):
    adapter = adapters.adapter_type(platform)
    for method, declared in OPTIONAL.items():
        implements = getattr(adapter, method) is not getattr(Adapter, method)
        assert implements == bool(declared(adapter.capabilities)), method


def test_its_capabilities_make_sense(platform):
    can = adapters.adapter_type(platform).capabilities
    assert isinstance(can, Capabilities)
    assert can.max_text >= 1000
    assert (can.edit_every > 0) == can.can_edit


def test_its_settings_extend_the_common_ones_and_hide_their_secrets(platform):
    settings = adapters.settings_types()[platform]
    assert issubclass(settings, Settings)
    bare = settings(platform=platform)
    assert set(settings.environment) <= set(settings.model_fields)
    assert set(bare.missing()) <= set(settings.model_fields)
    given = {key: PLAUSIBLE.get(key, "123456:not-a-real-secret") for key in bare.missing()}
    whole = settings.model_validate({"platform": platform, **given})
    assert not whole.missing()
    assert "not-a-real-secret" not in repr(whole)


def test_its_secrets_have_the_names_that_people_use(platform):
    settings = adapters.settings_types()[platform]
    for key in settings(platform=platform).missing():
        assert settings.environment[key].isupper()
