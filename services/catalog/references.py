"""What the catalog's documents refer to."""

from __future__ import annotations

from libs.common.integrity.references import KindSpec, References, ReferenceSpec
from services.catalog.collections import MODELS

REFERENCES = References(
    kinds=(KindSpec("model", MODELS),),
    references=(ReferenceSpec(MODELS, "model", lambda model: (model.replacement_id,)),),
)
