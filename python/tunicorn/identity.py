"""Whose rights the workers and the router have: the settings user, group and initgroups."""

from __future__ import annotations

import grp
import os
import pwd
from typing import Final, NamedTuple


class IdentityError(Exception):
    """There is no such user or group; the text is for the operator."""


class Identity(NamedTuple):
    """None: as the arbiter."""

    uid: int | None
    gid: int | None
    #: Whose further groups to take (initgroups); None: no further groups.
    groups_of: str | None = None

    def give(self, path: str) -> None:
        """Gives a file to this identity, as far as this process may."""
        if os.geteuid() == 0:
            os.chown(path, -1 if self.uid is None else self.uid, -1 if self.gid is None else self.gid)

    def assume(self) -> bool:
        """Gives the rights of this process up for those of this identity. Whether that changed anything."""
        own = os.geteuid(), os.getegid()
        uid = own[0] if self.uid is None else self.uid
        gid = own[1] if self.gid is None else self.gid
        if (uid, gid) == own:
            return False
        if os.geteuid() == 0:
            # Gunicorn keeps root's own further groups, which is more than the user was to have.
            if self.groups_of is None:
                os.setgroups([gid])
            else:
                os.initgroups(self.groups_of, gid)
        os.setgid(gid)
        os.setuid(uid)
        return True


#: That of the arbiter.
UNCHANGED: Final = Identity(None, None)


def find_identity(user: str | None, group: str | None, *, initgroups: bool) -> Identity:
    """The ids of a user and a group, which are names or numbers. Raises IdentityError.

    A user who is named without a group comes with his own, where Gunicorn leaves the arbiter's.
    """
    gid = None if group is None else _find_group(group)
    if user is None:
        return Identity(None, gid)
    entry = _find_user(user)
    uid = int(user) if entry is None else entry.pw_uid
    if gid is None and entry is not None and uid != os.geteuid():
        gid = entry.pw_gid
    if initgroups and entry is None:
        raise IdentityError(f"initgroups needs the name of user {user}, whom the system does not know")
    return Identity(uid, gid, entry.pw_name if initgroups and entry is not None else None)


def _find_user(user: str) -> pwd.struct_passwd | None:
    """The user's entry; a number need not have one."""
    try:
        return pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except KeyError:
        if user.isdecimal():
            return None
        raise IdentityError(
            f"No such user: {user!r}, which the setting user names\n"
            "  Make it first, or name another one that /etc/passwd has, or a number"
        ) from None


def _find_group(group: str) -> int:
    if group.isdecimal():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise IdentityError(
            f"No such group: {group!r}, which the setting group names\n"
            "  Make it first, or name another one that /etc/group has, or a number"
        ) from None
