"""Who may call: each method's policy option, enforced. What it does not allow is refused."""

from __future__ import annotations

from collections.abc import Callable

from llmchat.options.v1 import policy_pb2

from libs.common import errors
from libs.common.context import NOBODY, Caller
from libs.common.rpc.method import Method

# Returns where the caller may call the method.
#
# Raises:
#     Unauthenticated: nobody calls, and the method needs someone.
#     Denied: the caller is known and not allowed.
Authorize = Callable[[Caller], None]


def authorize(method: Method) -> Authorize:
    """The check of one method's policy, read once. A service counts as itself, whomever it acts for.

    What comes with an access key must be allowed to the key, too, unless anyone may do it.
    """
    allow = frozenset(method.policy.allow)
    services = frozenset(method.policy.services) if policy_pb2.WHO_SERVICE in allow else frozenset()
    anyone = policy_pb2.WHO_ANYONE in allow
    users = policy_pb2.WHO_USER in allow or policy_pb2.WHO_OWNER in allow
    admins = policy_pb2.WHO_ADMIN in allow

    resource, action = method.resource, method.action
    permitting = frozenset(("*", f"{resource}.*", f"{resource}.{action}"))

    def check(caller: Caller) -> None:
        if not anyone and caller.permissions is not None and permitting.isdisjoint(caller.permissions):
            raise errors.Denied(f"the access key is not permitted {resource}.{action}", reason="KEY_NOT_PERMITTED")
        if anyone or caller.service in services:
            return
        if caller.user_id and not caller.service and (users or (admins and caller.is_admin)):
            return
        if caller == NOBODY:
            raise errors.Unauthenticated(f"{method.name} needs an access token")
        raise errors.Denied(f"not allowed to {method.action or 'call'} {method.resource or method.name}")

    return check
