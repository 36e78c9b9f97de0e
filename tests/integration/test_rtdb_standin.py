"""The stand-in for the Realtime Database by firebase-admin's own calls: what the documentation promises holds for it.

Where `FIREBASE_DATABASE_EMULATOR_HOST` names an emulator, the same tests run against that, but for those of faults.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import firebase_admin
import pytest
from firebase_admin import db, exceptions

from tests.engines.rtdb import EMULATOR, answering
from tests.standins.rtdb_server import RtdbServer

References = Callable[..., db.Reference]


@pytest.fixture(scope="module")
def server() -> Iterator[RtdbServer]:
    """The emulator that the environment names, or the stand-in."""
    with answering() as server:
        yield server


@pytest.fixture
def namespace() -> str:
    """A database of the test's own."""
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def references(server: RtdbServer, namespace: str) -> Iterator[References]:
    """References into the test's database: as the owner, whom no rule concerns, or as who `auth` says."""
    apps: list[firebase_admin.App] = []

    def reference(path: str = "/", *, auth: dict[str, Any] | None = None, owner: bool = True) -> db.Reference:
        options: dict[str, Any] = {"databaseURL": server.database_url(namespace)}
        if auth is not None or not owner:
            options["databaseAuthVariableOverride"] = auth
        app = firebase_admin.initialize_app(options=options, name=f"{namespace}-{len(apps)}")
        apps.append(app)
        return db.reference(path, app)

    yield reference
    for app in apps:
        firebase_admin.delete_app(app)


@pytest.fixture
def root(references: References) -> db.Reference:
    """The root of the test's database, as its owner."""
    return references()


@pytest.fixture
def faulty(server: RtdbServer, namespace: str) -> Callable[..., None]:
    """Makes the stand-in fail on purpose."""
    if os.environ.get(EMULATOR):
        pytest.skip("an emulator has no faults on request: this ran against nothing")
    return lambda **faults: server.break_down(namespace, **faults)


def test_what_is_set_is_got(root: db.Reference) -> None:
    value = {"text": "Grüße, 東京 👋", "n": 1.5, "big": 2**53, "yes": True, "deep": {"a": {"b": "c"}}}
    root.child("a").set(value)
    assert root.child("a").get() == value
    assert root.child("a/deep/a/b").get() == "c"
    assert root.child("nothing").get() is None


def test_nothing_empty_is_stored(root: db.Reference) -> None:
    root.child("a").set({"kept": 0, "none": None, "empty": {}, "list": [], "deep": {"deeper": {"none": None}}})
    assert root.child("a").get() == {"kept": 0}
    root.child("a/kept").delete()
    assert root.get() is None


def test_children_below_a_leaf_replace_it(root: db.Reference) -> None:
    root.child("a").set("leaf")
    root.child("a/b").delete()
    assert root.child("a").get() == "leaf"
    root.child("a/b").set(1)
    assert root.child("a").get() == {"b": 1}


def test_objects_with_integer_keys_come_back_as_lists(root: db.Reference) -> None:
    root.child("all").set({"0": "a", "1": "b"})
    root.child("most").set({"0": "a", "2": "c"})
    root.child("few").set({"0": "a", "9": "j"})
    root.child("some").set({"0": "a", "x": "b"})
    assert root.child("all").get() == ["a", "b"]
    assert root.child("most").get() == ["a", None, "c"]
    assert root.child("few").get() == {"0": "a", "9": "j"}
    assert root.child("some").get() == {"0": "a", "x": "b"}
    root.child("list").set(["x", None, "y"])
    assert root.child("list/2").get() == "y"


def test_a_shallow_read_names_the_children_alone(root: db.Reference) -> None:
    root.child("a").set({"b": {"c": 1}, "d": "text"})
    assert root.child("a").get(shallow=True) == {"b": True, "d": True}
    assert root.child("a/d").get(shallow=True) == "text"


def test_an_etag_stands_for_a_value(root: db.Reference) -> None:
    place = root.child("a")
    place.set({"b": 1})
    value, etag = place.get(etag=True)
    assert value == {"b": 1}
    assert place.get_if_changed(etag) == (False, None, None)
    place.set({"b": 2})
    changed, value, newer = place.get_if_changed(etag)
    assert (changed, value) == (True, {"b": 2})
    assert newer != etag


def test_a_set_at_an_etag_fails_where_the_value_has_moved(root: db.Reference) -> None:
    place = root.child("a")
    nothing, absent = place.get(etag=True)
    assert nothing is None
    assert place.set_if_unchanged(absent, "first")[:2] == (True, "first")
    done, value, etag = place.set_if_unchanged(absent, "second")
    assert (done, value) == (False, "first")
    assert place.set_if_unchanged(etag, "third")[0] is True
    assert place.get() == "third"


def test_an_update_writes_several_places_and_leaves_the_rest(root: db.Reference) -> None:
    root.set({"a": {"b": 1, "c": 2}, "d": 3})
    root.update({"a/b": 10, "e/f/g": "new", "d": None})
    assert root.get() == {"a": {"b": 10, "c": 2}, "e": {"f": {"g": "new"}}}


def test_an_update_of_a_place_and_of_one_below_it_is_refused(root: db.Reference) -> None:
    with pytest.raises(exceptions.InvalidArgumentError):
        root.update({"a": 1, "a/b": 2})
    assert root.get() is None


def test_pushed_children_have_keys_in_the_order_of_pushing(root: db.Reference) -> None:
    keys = [root.child("list").push({"n": n}).key for n in range(20)]
    assert keys == sorted(keys)
    assert list(root.child("list").order_by_key().get()) == keys
    assert root.child("list").push().get() == ""


def test_transactions_in_many_threads_lose_nothing(root: db.Reference) -> None:
    def count(_: int) -> None:
        root.child("counter").transaction(lambda value: (value or 0) + 1)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, range(40)))
    assert root.child("counter").get() == 40


def test_a_transaction_that_raises_writes_nothing(root: db.Reference) -> None:
    root.child("a").set(1)

    def fail(value: object) -> object:
        raise RuntimeError(f"seen {value}")

    with pytest.raises(RuntimeError, match="seen 1"):
        root.child("a").transaction(fail)
    assert root.child("a").get() == 1


def test_the_servers_values(root: db.Reference) -> None:
    root.set({"at": {".sv": "timestamp"}, "n": {".sv": {"increment": 5}}})
    root.update({"n": {".sv": {"increment": -2}}, "deep/n": {".sv": {"increment": 0.5}}})
    assert root.child("n").get() == 3
    assert root.child("deep/n").get() == 0.5
    assert root.child("at").get() > 1_700_000_000_000


def indexed(server: RtdbServer, namespace: str, **rules: Any) -> None:
    server.deploy(namespace, {"rules": {".read": True, ".write": True, **rules}})


def keys(found: Any) -> list[str]:
    return list(found)


def test_children_are_ordered_by_kind_then_by_value_then_by_key(
    server: RtdbServer, namespace: str, root: db.Reference
) -> None:
    indexed(server, namespace, a={".indexOn": ["v", "deep/v"]})
    values = {
        "object": {"x": 1}, "text_b": "b", "text_a": "a", "upper": "B", "two": 2, "ten": 10, "minus": -1.5,
        "true_b": True, "true_a": True, "false": False,
    }  # fmt: skip
    children = {key: {"v": value, "deep": {"v": value}} for key, value in values.items()}
    root.child("a").set({**children, "none": {"w": 1}})
    order = ["none", "false", "true_a", "true_b", "minus", "two", "ten", "upper", "text_a", "text_b", "object"]
    for path in ("v", "deep/v"):
        for n in range(1, len(order) + 1):
            assert set(root.child("a").order_by_child(path).limit_to_first(n).get()) == set(order[:n])
            assert set(root.child("a").order_by_child(path).limit_to_last(n).get()) == set(order[-n:])
        assert keys(root.child("a").order_by_child(path).get()) == order


def test_bounds_of_an_order_are_inclusive(server: RtdbServer, namespace: str, root: db.Reference) -> None:
    indexed(server, namespace, a={".indexOn": "n"})
    root.child("a").set({f"k{n}": {"n": n // 2} for n in range(10)})
    ordered = root.child("a").order_by_child
    assert keys(ordered("n").start_at(1).end_at(2).get()) == ["k2", "k3", "k4", "k5"]
    assert keys(ordered("n").equal_to(3).get()) == ["k6", "k7"]
    assert keys(ordered("n").start_at(1).limit_to_first(3).get()) == ["k2", "k3", "k4"]
    assert keys(ordered("n").end_at(3).limit_to_last(3).get()) == ["k5", "k6", "k7"]
    assert keys(ordered("n").equal_to(99).get()) == []
    # Text comes after every number.
    assert keys(ordered("n").start_at("").get()) == []
    assert len(keys(ordered("n").end_at("").get())) == 10


def test_orders_follow_every_later_write(server: RtdbServer, namespace: str, root: db.Reference) -> None:
    indexed(server, namespace, a={".indexOn": ["n", "deep/n"]})
    place = root.child("a")
    place.set({"x": {"n": 1, "deep": {"n": 3}}, "y": {"n": 2, "deep": {"n": 2}}})
    assert keys(place.order_by_child("n").get()) == ["x", "y"]
    assert keys(place.order_by_child("deep/n").get()) == ["y", "x"]
    place.child("x/deep/n").set(0)
    root.update({"a/z": {"n": 0, "deep": {"n": 1}}, "a/y/n": -1})
    assert keys(place.order_by_child("n").get()) == ["y", "z", "x"]
    assert keys(place.order_by_child("deep/n").get()) == ["x", "z", "y"]
    place.child("z").delete()
    assert keys(place.order_by_child("n").limit_to_first(2).get()) == ["y", "x"]
    place.set({"w": {"n": 7}})
    assert keys(place.order_by_child("n").get()) == ["w"]
    root.delete()
    assert place.order_by_child("n").get() is None or keys(place.order_by_child("n").get()) == []


def test_keys_that_are_integers_come_first_by_size(root: db.Reference) -> None:
    root.child("a").set({"10": 1, "9": 1, "b": 1, "a": 1, "-1": 1})
    found = root.child("a").order_by_key
    assert set(found().limit_to_first(3).get()) == {"-1", "9", "10"}
    assert set(found().limit_to_last(2).get()) == {"a", "b"}
    assert set(found().start_at("a").get()) == {"a", "b"}
    assert set(found().equal_to("10").get()) == {"10"}


def test_children_are_ordered_by_their_own_values(server: RtdbServer, namespace: str, root: db.Reference) -> None:
    indexed(server, namespace, a={".indexOn": ".value"})
    root.child("a").set({"x": 3, "y": 1, "z": 2})
    assert root.child("a").order_by_value().limit_to_first(2).get() == OrderedDict(y=1, z=2)


def test_an_order_without_an_index_is_refused(server: RtdbServer, namespace: str, root: db.Reference) -> None:
    indexed(server, namespace, a={"$id": {"below": {".indexOn": ["n"]}}})
    root.child("a/x/below").set({"k": {"n": 1, "m": 1}})
    assert keys(root.child("a/x/below").order_by_child("n").get()) == ["k"]
    with pytest.raises(exceptions.InvalidArgumentError, match=r'add ".indexOn": "m", for path "/a/x/below"'):
        root.child("a/x/below").order_by_child("m").get()
    with pytest.raises(exceptions.InvalidArgumentError, match=r'".indexOn": ".value"'):
        root.child("a").order_by_value().get()


@pytest.mark.parametrize("key", ["a.b", "a$b", "a#b", "a[b", "a]b", "a/b", "a\nb", "a\x7fb", "", "ü" * 385])
def test_keys_that_no_place_can_have_are_refused(root: db.Reference, key: str) -> None:
    with pytest.raises(exceptions.InvalidArgumentError):
        root.child("a").set({"deep": {key: 1}})
    assert root.get() is None


def test_keys_of_768_bytes_and_a_depth_of_32_are_allowed(root: db.Reference) -> None:
    root.child("a").set({"ü" * 384: 1, "__proto__": 2, "constructor": {"x": 3}, " ": 4})
    assert root.child("a").get() == {"ü" * 384: 1, "__proto__": 2, "constructor": {"x": 3}, " ": 4}
    root.child("/".join("b" * 32)).set(1)
    with pytest.raises(exceptions.InvalidArgumentError):
        root.child("/".join("b" * 33)).set(1)


def test_a_text_of_a_mebibyte_and_500_places_in_one_update(root: db.Reference) -> None:
    root.child("large").set("é" * 2**19)
    assert root.child("large").get() == "é" * 2**19
    root.update({f"many/k{n}/v": n for n in range(500)})
    assert len(root.child("many").get()) == 500


REVISED: dict[str, Any] = {
    "rules": {
        "documents": {
            ".read": "auth.service === 'threads'",
            "$id": {
                ".write": "auth.service === 'threads'",
                ".validate": "newData.child('rev').val() === (data.exists() ? data.child('rev').val() + 1 : 1)",
            },
        }
    }
}
THREADS = {"service": "threads"}


def test_a_stale_revision_in_an_update_refuses_all_of_it(
    server: RtdbServer, namespace: str, references: References
) -> None:
    server.deploy(namespace, REVISED)
    documents = references("documents", auth=THREADS)
    documents.update({"a": {"rev": 1}, "b": {"rev": 1}})
    documents.update({"a": {"rev": 2}, "c": {"rev": 1}})
    with pytest.raises(exceptions.UnauthenticatedError, match="Permission denied"):
        documents.update({"a": {"rev": 3}, "b": {"rev": 1}, "d": {"rev": 1}})
    assert documents.get() == {"a": {"rev": 2}, "b": {"rev": 1}, "c": {"rev": 1}}


def test_of_two_writers_at_one_revision_one_is_refused(
    server: RtdbServer, namespace: str, references: References
) -> None:
    server.deploy(namespace, REVISED)
    documents = references("documents", auth=THREADS)

    def write(n: int) -> bool:
        try:
            documents.update({"a": {"rev": 1, "by": n}, f"mark{n}": {"rev": 1}})
        except exceptions.UnauthenticatedError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        written = list(threads.map(write, range(8)))
    assert written.count(True) == 1
    winner = written.index(True)
    assert documents.get() == {"a": {"rev": 1, "by": winner}, f"mark{winner}": {"rev": 1}}


def test_a_deletion_is_not_asked_whether_it_is_valid(
    server: RtdbServer, namespace: str, references: References
) -> None:
    server.deploy(namespace, REVISED)
    documents = references("documents", auth=THREADS)
    documents.update({"a": {"rev": 1}, "b": {"rev": 1}})
    documents.child("a").delete()
    documents.update({"b": None, "c": {"rev": 1}})
    assert documents.get() == {"c": {"rev": 1}}


def test_the_owner_is_asked_nothing_and_others_are(server: RtdbServer, namespace: str, references: References) -> None:
    server.deploy(namespace, REVISED)
    references("documents/a").set({"rev": 7})
    assert references("documents", auth=THREADS).get() == {"a": {"rev": 7}}
    for stranger in (references("documents", auth={"service": "users"}), references("documents", owner=False)):
        with pytest.raises(exceptions.UnauthenticatedError):
            stranger.get()
        with pytest.raises(exceptions.UnauthenticatedError):
            stranger.child("a").set({"rev": 8})
        with pytest.raises(exceptions.UnauthenticatedError):
            stranger.order_by_key().limit_to_first(1).get()
    with pytest.raises(exceptions.UnauthenticatedError):
        references("elsewhere", auth=THREADS).set(1)


@pytest.mark.parametrize(
    ("rule", "value", "allowed"),
    [
        ("newData.child('owner').val() === auth.uid", {"owner": "ada"}, True),
        ("newData.child('owner').val() === auth.uid", {"owner": "bob"}, False),
        ("newData.hasChildren(['a', 'b'])", {"a": 1, "b": 2}, True),
        ("newData.hasChildren(['a', 'b'])", {"a": 1}, False),
        ("newData.hasChildren()", {"a": 1}, True),
        ("newData.hasChildren()", "leaf", False),
        ("root.child('people').child(auth.uid).exists()", 1, True),
        ("root.child('people').child($id).exists()", 1, False),
        ("$id === 'mine' && $place === 'places'", 1, True),
        ("$id.beginsWith('yours')", 1, False),
        ("newData.val() === now", {".sv": "timestamp"}, True),
        ("newData.val() < now", {".sv": "timestamp"}, False),
        ("newData.isString() && newData.val().length < 5", "four", True),
        ("newData.isString() && newData.val().length < 5", "fiver", False),
        ("newData.val().matches(/^[a-z]+$/)", "letters", True),
        ("newData.val().matches(/^[a-z]+$/)", "1", False),
        ("newData.isNumber() && newData.val() > data.val()", 6, True),
        ("newData.isNumber() && newData.val() > data.val()", 5, False),
        ("newData.parent().child('sibling').val() === 'here'", 1, True),
        ("data.parent().parent().child('people/ada').val() === true", 1, True),
        ("!data.exists()", 1, False),
        ("auth.roles.admin === true", 1, True),
        ("auth.none.such === true", 1, False),
    ],
)
def test_what_rules_see(
    server: RtdbServer, namespace: str, references: References, rule: str, value: object, allowed: bool
) -> None:
    ada = {"uid": "ada", "roles": {"admin": True}}
    server.deploy(namespace, {"rules": {"$place": {"$id": {".write": "auth !== null", ".validate": rule}}}})
    references().set({"people": {"ada": True}, "places": {"mine": 5, "sibling": "here"}})
    place = references("places/mine", auth=ada)
    if allowed:
        place.set(value)
        return
    with pytest.raises(exceptions.UnauthenticatedError):
        place.set(value)
    assert references("places/mine").get() == 5


def test_rules_see_an_update_as_a_whole(server: RtdbServer, namespace: str, references: References) -> None:
    rule = "newData.parent().parent().child('commits').child(newData.child('commit').val()).exists()"
    open_to_all = {".read": True, ".write": True}
    server.deploy(namespace, {"rules": {**open_to_all, "documents": {"$id": {".validate": rule}}}})
    root = references(auth={"uid": "ada"})
    with pytest.raises(exceptions.UnauthenticatedError):
        root.child("documents/a").set({"commit": "c1"})
    root.update({"documents/a": {"commit": "c1"}, "documents/b": {"commit": "c1"}, "commits/c1": True})
    with pytest.raises(exceptions.UnauthenticatedError):
        root.update({"documents/c": {"commit": "c1"}, "commits/c1": None, "commits/c2": True})
    root.child("commits/c1").delete()
    assert sorted(root.get()["documents"]) == ["a", "b"]


def test_rules_may_limit_queries(server: RtdbServer, namespace: str, references: References) -> None:
    rule = "query.orderByChild === 'owner' && query.equalTo === auth.uid && query.limitToFirst <= 10"
    server.deploy(namespace, {"rules": {"a": {".read": rule, ".indexOn": ["owner"]}}})
    references("a").set({"x": {"owner": "ada"}, "y": {"owner": "bob"}})
    mine = references("a", auth={"uid": "ada"})
    assert keys(mine.order_by_child("owner").equal_to("ada").limit_to_first(10).get()) == ["x"]
    for query in (
        mine.order_by_child("owner").equal_to("bob").limit_to_first(10),
        mine.order_by_child("owner").equal_to("ada").limit_to_first(11),
        mine.order_by_key().limit_to_first(1),
    ):
        with pytest.raises(exceptions.UnauthenticatedError):
            query.get()


def test_rules_that_are_no_rules_are_refused(server: RtdbServer, namespace: str, root: db.Reference) -> None:
    with pytest.raises(OSError, match="400"):
        server.deploy(namespace, {"rules": {".read": "no expression at all"}})
    with pytest.raises(OSError, match="400"):
        server.deploy(namespace, {"rules": {".write": "newData.val() + 1"}})
    root.child("a").set(1)


def test_namespaces_know_nothing_of_each_other(server: RtdbServer, root: db.Reference) -> None:
    root.set(1)
    other = f"other-{uuid4().hex[:12]}"
    app = firebase_admin.initialize_app(options={"databaseURL": server.database_url(other)}, name=other)
    try:
        assert db.reference("/", app).get() is None
    finally:
        firebase_admin.delete_app(app)


def test_a_lost_answer_has_the_sdk_write_again(
    faulty: Callable[..., None], server: RtdbServer, namespace: str, root: db.Reference
) -> None:
    faulty(lose_answers=1)
    root.update({"n": {".sv": {"increment": 1}}})
    assert root.child("n").get() == 2
    faulty(lose_answers=1)
    root.child("list").push("once")
    assert list(root.child("list").get().values()) == ["once", "once"]
    faulty(lose_answers=1)
    root.child("a").set("the same")
    assert root.child("a").get() == "the same"
    assert [(write["method"], write["lost"]) for write in server.writes(namespace)] == [
        ("PATCH", "answer"), ("PATCH", None), ("POST", "answer"), ("POST", None), ("PUT", "answer"), ("PUT", None),
    ]  # fmt: skip


def test_a_lost_answer_makes_a_conditional_set_look_refused(faulty: Callable[..., None], root: db.Reference) -> None:
    _, etag = root.child("a").get(etag=True)
    faulty(lose_answers=1)
    done, value, _ = root.child("a").set_if_unchanged(etag, "mine")
    assert (done, value) == (False, "mine")


def test_a_lost_answer_makes_a_revision_look_stale(
    faulty: Callable[..., None], server: RtdbServer, namespace: str, references: References
) -> None:
    server.deploy(namespace, REVISED)
    documents = references("documents", auth=THREADS)
    faulty(lose_answers=1)
    with pytest.raises(exceptions.UnauthenticatedError):
        documents.update({"a": {"rev": 1}})
    assert documents.get() == {"a": {"rev": 1}}


def test_two_lost_answers_are_told(faulty: Callable[..., None], root: db.Reference) -> None:
    faulty(lose_answers=2)
    with pytest.raises(exceptions.UnavailableError):
        root.child("a").set(1)
    assert root.child("a").get() == 1


def test_every_third_answer_is_lost(faulty: Callable[..., None], root: db.Reference) -> None:
    faulty(lose_every=3)
    for _ in range(6):
        root.child("n").set({".sv": {"increment": 1}})
    # Six calls, of which the third and the fifth were made twice.
    assert root.child("n").get() == 8


def test_a_lost_request_writes_once(faulty: Callable[..., None], root: db.Reference) -> None:
    faulty(lose_requests=1)
    root.child("n").set({".sv": {"increment": 1}})
    assert root.child("n").get() == 1


def test_an_unavailable_database_is_asked_again(faulty: Callable[..., None], root: db.Reference) -> None:
    faulty(unavailable=1)
    root.child("a").set(1)
    assert root.child("a").get() == 1
