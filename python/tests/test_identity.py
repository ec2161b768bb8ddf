"""Finding user and group, and taking their rights."""

from __future__ import annotations

import grp
import json
import os
import pwd
from typing import Any

import pytest
from tunicorn.identity import Identity, IdentityError, find_identity

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give up its rights")

NOBODY = pwd.getpwnam("nobody")


def rights_after(identity: Identity) -> dict[str, Any]:
    """The rights of a process that has taken an identity."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            has_changed = identity.assume()
            rights = {
                "has_changed": has_changed,
                "uids": os.getresuid(),
                "gids": os.getresgid(),
                "groups": sorted(os.getgroups()),
            }
            os.write(write, json.dumps(rights).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        rights = json.load(pipe)
    os.waitpid(pid, 0)
    assert isinstance(rights, dict)
    return rights


def test_nobody_named_is_nobody_to_become() -> None:
    assert find_identity(None, None, initgroups=True) == Identity(None, None)


def test_a_user_comes_with_his_own_group() -> None:
    assert find_identity("nobody", None, initgroups=False) == Identity(NOBODY.pw_uid, NOBODY.pw_gid)
    assert find_identity(str(NOBODY.pw_uid), None, initgroups=False) == Identity(NOBODY.pw_uid, NOBODY.pw_gid)


def test_a_group_that_is_named_comes_first() -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    assert find_identity("nobody", group, initgroups=False) == Identity(NOBODY.pw_uid, os.getgid())
    assert find_identity(None, group, initgroups=False) == Identity(None, os.getgid())


def test_numbers_need_no_names() -> None:
    assert find_identity("424242", "434343", initgroups=False) == Identity(424242, 434343)
    assert find_identity("424242", None, initgroups=False) == Identity(424242, None)


def test_who_we_are_keeps_the_group_we_have() -> None:
    assert find_identity(str(os.geteuid()), None, initgroups=False) == Identity(os.geteuid(), None)


def test_initgroups_knows_whose_groups() -> None:
    assert find_identity("nobody", None, initgroups=True).groups_of == "nobody"


@pytest.mark.parametrize(
    ("user", "group", "initgroups", "says"),
    [
        ("no-such-user", None, False, "No such user: 'no-such-user'"),
        (None, "no-such-group", False, "No such group: 'no-such-group'"),
        ("424242", None, True, "initgroups needs the name of user 424242"),
    ],
)
def test_who_does_not_exist_is_named(
    user: str | None, group: str | None, initgroups: bool, says: str
) -> None:
    with pytest.raises(IdentityError, match=says):
        find_identity(user, group, initgroups=initgroups)


def test_the_own_identity_changes_nothing() -> None:
    before = sorted(os.getgroups())
    for identity in (Identity(None, None), Identity(os.geteuid(), os.getegid())):
        rights = rights_after(identity)
        assert rights["has_changed"] is False
        assert rights["groups"] == before


@needs_root
def test_rights_are_given_up_for_good_with_all_groups() -> None:
    rights = rights_after(Identity(NOBODY.pw_uid, NOBODY.pw_gid))
    assert rights["has_changed"] is True
    assert rights["uids"] == [NOBODY.pw_uid] * 3
    assert rights["gids"] == [NOBODY.pw_gid] * 3
    assert rights["groups"] == [NOBODY.pw_gid]


@needs_root
def test_initgroups_takes_the_further_groups_of_the_user() -> None:
    rights = rights_after(Identity(NOBODY.pw_uid, 4242, "nobody"))
    assert rights["gids"] == [4242] * 3
    assert rights["groups"] == sorted(set(os.getgrouplist("nobody", 4242)))
