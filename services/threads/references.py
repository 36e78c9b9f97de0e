"""What the threads service's documents refer to."""

from __future__ import annotations

from libs.common.integrity.references import KindSpec, References, ReferenceSpec
from services.threads.collections import THREADS

REFERENCES = References(
    kinds=(KindSpec("thread", THREADS),),
    references=(
        ReferenceSpec(THREADS, "user", lambda thread: (thread.user_id,)),
        ReferenceSpec(THREADS, "model", lambda thread: {*thread.models, *thread.active_models}),
    ),
)
