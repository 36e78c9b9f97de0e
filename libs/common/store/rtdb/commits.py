"""Commits to a Realtime Database: each is one update of many paths, which the rules take whole or refuse.

The update moves the `rev` of every document by one, from what this process last saw of it; a document that must not
exist yet is taken for absent. If the rules refuse, the documents are read: one that is not at its expected revision is
the conflict, otherwise the update is made again from what they are now.

Every update also puts `commits/ID`, which nobody can put twice. If its answer is lost, the same place is put in another
way: whoever comes first has it, so either the commit is there, or it never will be. The next commit takes the mark of
the last ones away.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from libs.common.errors import Conflict, Unavailable
from libs.common.store.port import Put, Write
from libs.common.store.rtdb.client import Client, Refused, Tree
from libs.common.store.rtdb.nodes import NOW, Collection, Content, Version

T = TypeVar("T")

_REMEMBERED = 4096  # documents whose last version is kept in mind
_WORDS = 32  # of a document at most, for it to be kept in mind
_ATTEMPTS = 100
_UNMOVED = 5  # refusals without a reason to be seen
_PAUSE = 0.05  # seconds at most between two attempts
_PATIENCE = (0.0, 0.1, 0.5, 2.0)  # seconds before each look at what became of a commit


@dataclass(frozen=True, slots=True)
class Draft:
    """A write that is ready to be sent, but for the version that it meets. `content` is None in a deletion."""

    write: Write
    collection: Collection[Any]
    content: Content | None

    @classmethod
    def of(cls, write: Write, collection: Collection[Any]) -> Draft:
        """Encodes a write.

        Raises:
            Invalid: see `Collection.content`.
        """
        content = collection.content(write.id, write.message) if isinstance(write, Put) else None
        return cls(write, collection, content)

    @property
    def path(self) -> str:
        """Where its document is."""
        return self.collection.path(self.write.id)

    @property
    def revision(self) -> int | None:
        """The revision that its document is to have; None: one more than it has."""
        return self.write.revision if isinstance(self.write, Put) else None

    def conflicts(self, version: Version) -> bool:
        """Whether the document is not as the write expects it."""
        return self.write.if_revision not in (None, version.revision)


class Commits:
    """The commits of one process to one database."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._versions: OrderedDict[str, Version] = OrderedDict()
        # The marks of commits whose outcome is known.
        self._settled: list[str] = []

    def saw(self, collection: Collection[Any], id: str, node: Tree | None) -> None:
        """Keeps in mind what was read at a document's place, so that a commit need not ask."""
        # To find a document's words costs more than most reads have use for.
        if not collection.has_text:
            self._remember(collection.path(id), collection.version(node))

    async def commit(self, drafts: Sequence[Draft]) -> None:
        """All of them or none.

        Raises:
            Conflict: the first whose document is not at its expected revision.
            Unavailable: the database cannot be reached, or refuses for another reason; nothing was stored, unless the
                text says that this is not known.
        """
        versions = self._expected(drafts) or await self._versions_now(drafts)
        unmoved = 0
        for _ in range(_ATTEMPTS):
            if await self.is_applied(drafts, versions):
                self._keep(drafts, versions)
                return
            before, versions = versions, await self._versions_now(drafts)
            unmoved = unmoved + 1 if versions == before else 0
            if unmoved == _UNMOVED:
                text = "the database's rules refuse the commit: deploy those that `llmchat rules` makes"
                raise Unavailable(text, retry_after=None)
            # Others that write the same documents come first, or after us.
            await asyncio.sleep(random.uniform(0, _PAUSE))  # noqa: S311
        raise Unavailable("others wrote the same documents at each attempt")

    async def is_applied(self, drafts: Sequence[Draft], versions: Sequence[Version]) -> bool:
        """Makes one attempt on documents that are at these versions: False if the rules refuse, nothing being stored.

        Raises:
            Unavailable: see `commit`.
        """
        values, asserts = _values(drafts, versions)
        id = secrets.token_hex(12)
        values[f"commits/{id}"] = {"at": NOW}
        try:
            await self._send(values)
        except Refused:
            # It may be there all the same: the SDK sends an update again whose answer it missed, and that is refused.
            # One that asserts an absence might also come late, when the document is gone again: it is given up.
            is_applied = await _patiently(lambda: self._is_won(id) if asserts else self._is_there(id))
        except Unavailable as error:
            if not await _patiently(lambda: self._is_won(id)):
                raise Unavailable(f"{error.text}; nothing was stored") from None
            is_applied = True
        else:
            is_applied = True
        if is_applied:
            self._settled.append(id)
        return is_applied

    async def forget_settled(self) -> None:
        """Takes the marks of this process's commits away, if the database answers."""
        if self._settled:
            with suppress(Unavailable, Refused):
                await self._send({})

    async def _send(self, values: Tree) -> None:
        """Puts the values, and takes the marks away of commits that are settled."""
        settled, self._settled = self._settled, []
        try:
            await self._client.update(values | {f"commits/{id}": None for id in settled})
        except BaseException:
            self._settled += settled
            raise

    def _expected(self, drafts: Sequence[Draft]) -> list[Version] | None:
        """The versions that the writes should meet; None where one has to look."""
        versions: list[Version] = []
        for draft in drafts:
            expected = draft.write.if_revision
            version = self._versions.get(draft.path)
            if version is None and expected == 0:
                version = Version()
            if version is None or draft.conflicts(version):
                return None
            versions.append(version)
        return versions

    async def _versions_now(self, drafts: Sequence[Draft]) -> list[Version]:
        nodes = await asyncio.gather(*(self._client.get(draft.path) for draft in drafts))
        versions = [draft.collection.version(node) for draft, node in zip(drafts, nodes, strict=True)]
        for draft, version in zip(drafts, versions, strict=True):
            if draft.conflicts(version):
                raise Conflict(draft.write.collection, draft.write.id)
        return versions

    def _keep(self, drafts: Sequence[Draft], versions: Sequence[Version]) -> None:
        for draft, version in zip(drafts, versions, strict=True):
            if draft.content is not None:
                content, revision = draft.content, draft.revision or version.revision + 1
                self._remember(draft.path, Version(version.rev + 1, revision, content.keys, content.words))
            elif version.revision:
                self._remember(draft.path, Version(version.rev + 1))

    def _remember(self, path: str, version: Version) -> None:
        self._versions.pop(path, None)
        if len(version.words) <= _WORDS:
            self._versions[path] = version
        if len(self._versions) > _REMEMBERED:
            self._versions.popitem(last=False)

    async def _is_won(self, id: str) -> bool:
        """Whether the commit is there; if not, it is given up and cannot come any more."""
        try:
            await self._client.update({f"commits/{id}": {"at": NOW, "void": True}})
        except Refused:
            return await self._is_there(id)
        return False

    async def _is_there(self, id: str) -> bool:
        mark: Tree | None = await self._client.get(f"commits/{id}")
        return mark is not None and "void" not in mark


def _values(drafts: Sequence[Draft], versions: Sequence[Version]) -> tuple[Tree, bool]:
    """The values by path of a commit, and whether it asserts that a document is absent."""
    values: Tree = {}
    counts: defaultdict[str, int] = defaultdict(int)
    asserts = False
    for draft, version in zip(drafts, versions, strict=True):
        write, collection = draft.write, draft.collection
        if draft.content is None and not version.revision:
            values[collection.absence(write.id)] = None
            asserts = True
            continue
        values |= collection.written(write.id, version, draft.content, draft.revision)
        for path, by in collection.moved(version, draft.content).items():
            counts[path] += by
    values |= {path: {".sv": {"increment": by}} for path, by in counts.items() if by}
    return values, asserts


async def _patiently(look: Callable[[], Awaitable[bool]]) -> bool:
    """What a look says, which is repeated while the database does not answer.

    Raises:
        Unavailable: it did not answer.
    """
    for pause in _PATIENCE:
        await asyncio.sleep(pause)
        with suppress(Unavailable):
            return await look()
    raise Unavailable("the database gave no answer: whether the commit was stored is not known")
