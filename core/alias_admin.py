"""What admins do to addresses: suspend, lift, end, release the name, move one to another person."""

from datetime import datetime

from core.alias_recipients import attach, mark_reachable
from core.audit import Actor, record
from core.database import write
from core.models import Alias, AliasOwner, Person, by_id
from core.notices import tell_person
from core.ownership import NotYours, lock_people
from core.roles import first_recipient
from core.routing import Entitlement, Hold, Switch
from core.translation import N_, ToldError
from core.upkeep import keep_up

HELD, LIFTED, ENDED = "address-held", "address-lifted", "address-ended"
MOVED_AWAY, MOVED_HERE = "address-moved-away", "address-moved-here"
"""Kinds of notices to the owner."""


class AliasProblem(ToldError):
    """It cannot be done; the message says why, for the admin who tried."""


def hold(actor: Actor, alias_id: int, now: datetime) -> bool:
    """Suspend an address: its mail is refused until an admin lifts that. Returns False when it is.

    Raises AliasProblem for one's own and NotYours when there is none, as all of these do.
    """
    with write():
        alias = _locked(actor, alias_id)
        if alias.hold == Hold.ADMIN:
            return False
        values = {"alias": alias.text, "before": alias.hold, "after": Hold.ADMIN}
        alias.hold = Hold.ADMIN
        alias.save()
        record(actor, "alias-held", _ids(alias), values, now)
        _tell(alias, alias.person, HELD, now)
        return True


def lift(actor: Actor, alias_id: int, now: datetime) -> bool:
    """Lift an admin's hold; what else holds the address, as a ban, stays. Returns False without one."""
    with write():
        alias = _locked(actor, alias_id)
        if alias.hold != Hold.ADMIN:
            return False
        alias.hold = Hold.NONE
        alias.save()
        record(actor, "alias-released", _ids(alias), {"alias": alias.text, "before": Hold.ADMIN}, now)
        if alias.person is not None:
            keep_up([alias.person], now, actor)
            alias = Alias.get_by_id(alias.id)
        if alias.hold == Hold.NONE:
            _tell(alias, alias.person, LIFTED, now)
        return True


def end(actor: Actor, alias_id: int, now: datetime) -> bool:
    """End an address now, as if its owner gave it up. Returns False when it is over.

    The name stays theirs: they may claim it again while they are entitled, and nobody else may.
    """
    with write():
        alias = _locked(actor, alias_id)
        if alias.switch == Switch.GIVEN_UP:
            return False
        values = {"alias": alias.text, "before": alias.switch, "after": Switch.GIVEN_UP}
        alias.switch, alias.switched_at = Switch.GIVEN_UP, now
        alias.save()
        record(actor, "alias-given-up", _ids(alias), values, now)
        _tell(alias, alias.person, ENDED, now)
        return True


def release(actor: Actor, alias_id: int, now: datetime) -> None:
    """Let a name go that is over: from now on whoever is entitled may claim it.

    Raises AliasProblem while it is in use or held.
    """
    with write():
        alias = _locked(actor, alias_id)
        if not is_over(alias):
            raise AliasProblem(N_("The address is in use. End it first."))
        if alias.hold != Hold.NONE:
            raise AliasProblem(N_("The address is suspended. Lift that first."))
        ids, values = _ids(alias), {"alias": alias.text}
        alias.delete_instance()
        record(actor, "name-released", ids, values, now)


def move(actor: Actor, alias_id: int, to_id: int, now: datetime) -> Alias:
    """Give an address to another person: a new row with its name, without mailboxes or past of the old one.

    Mail goes to the new owner's first proven mailbox; both are told. An admin's hold stays. Raises
    AliasProblem when it is theirs already, when they are banned, or when the address has several owners.
    """
    with write():
        old = _locked(actor, alias_id, to_id)
        target = _target(actor, old, to_id)
        before, ids = old.person, _ids(old)
        old.delete_instance()
        alias = Alias.create(
            domain=old.domain_id,
            local_part=old.local_part,
            person=target,
            by_self_service=False,
            hold=Hold.ADMIN if old.hold == Hold.ADMIN else Hold.NONE,
            switched_at=now,
            created_at=now,
        )
        mailbox = first_recipient(target)
        if mailbox is not None:
            attach(alias, mailbox)
        mark_reachable(alias, now)
        record(actor, "alias-moved-away", ids, {"alias": alias.text, "to": target.launchpad_name}, now)
        record(actor, "alias-moved-here", _ids(alias), {"alias": alias.text}, now)
        keep_up([target], now, actor)
        if before is not None:
            _tell(alias, before, MOVED_AWAY, now)
        _tell(alias, target, MOVED_HERE, now)
        return alias


def _target(actor: Actor, alias: Alias, to_id: int) -> Person:
    target = by_id(Person, to_id)
    if target is None:
        raise AliasProblem(N_("There is no such person any more."))
    if alias.person_id == target.id:
        raise AliasProblem(N_("The address is theirs already."))
    if actor == Actor.person(target.id):
        raise AliasProblem(N_("Nobody moves an address to themselves. Ask another admin."))
    if target.banned_at is not None:
        raise AliasProblem(N_("This person is banned."))
    if AliasOwner.select().where(AliasOwner.alias == alias).exists():
        raise AliasProblem(N_("The address has several owners. Change them on its own page."))
    return target  # type: ignore[no-any-return]


def is_over(alias: Alias) -> bool:
    """Whether an address has ended or was given up, so that its name could be released."""
    return alias.switch == Switch.GIVEN_UP or alias.entitlement == Entitlement.ENDED


def _locked(actor: Actor, alias_id: int, *also: int) -> Alias:
    """Load an alias and lock its owner, and some more people with them."""
    alias = by_id(Alias, alias_id)
    if alias is None:
        raise NotYours("no such alias")
    lock_people([one for one in (alias.person_id, *also) if one is not None])
    alias = by_id(Alias, alias_id)
    if alias is None:
        raise NotYours("no such alias")
    if alias.person_id is not None and actor == Actor.person(alias.person_id):
        raise AliasProblem(N_("This is your own address: another admin decides."))
    return alias  # type: ignore[no-any-return]


def _tell(alias: Alias, person: Person | None, kind: str, now: datetime) -> None:
    if person is not None:
        key = f"{kind}:{alias.id}:{person.id}:{now.timestamp():.6f}"
        tell_person(person, kind, {"alias": alias.id}, key, now)


def _ids(alias: Alias) -> dict[str, int]:
    owner = {"person": alias.person_id} if alias.person_id is not None else {}
    return {"alias": alias.id, "domain": alias.domain_id} | owner
