"""The admins' pages, each as a whole page and as the part that HTMX swaps."""

import pytest

from core.roles import Role
from devtools.accounts import Account
from tests.app.admins import sign_in_as
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.webclient import Client

PAGES = ["/admin", "/admin/waivers", "/admin/held", "/admin/lookup", "/admin/audit", "/admin/audit/1"]


@pytest.fixture
def admin(client: Client, member: Account) -> Client:
    """The browser of an admin of the project."""
    sign_in_as(client, member, Role.PROJECT_ADMIN)
    return client


@pytest.mark.parametrize("path", PAGES)
def test_each_page_opens(each_portal: Portal, admin: Client, path: str) -> None:
    answer = admin.get(path)

    assert answer.status == 200
    assert faults_of(answer.page) == []
