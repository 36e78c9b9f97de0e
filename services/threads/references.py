"""What the threads service's documents refer to."""

from __future__ import annotations

from libs.common.integrity.references import KindSpec, References, ReferenceSpec
from services.threads.collections import SHARES, TEMPORARY_THREADS, THREADS

REFERENCES = References(
    kinds=(KindSpec("thread", THREADS),),
    references=(
        ReferenceSpec(TEMPORARY_THREADS, "thread", lambda temporary: (temporary.id,)),
        ReferenceSpec(SHARES, "thread", lambda share: (share.thread_id,)),
        ReferenceSpec(THREADS, "user", lambda thread: (thread.user_id,)),
        ReferenceSpec(THREADS, "model", lambda thread: {*thread.models, *thread.active_models}),
    ),
)
