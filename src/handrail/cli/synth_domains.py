"""Domains with keywords to ask about, from a YAML or JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from handrail.cli.files import read_yaml
from handrail.records import RecordError

if TYPE_CHECKING:
    from handrail.synthesis import Domain

FORM = "Write a list of `domain: NAME`, `keywords: [...]` and, if you like, `rules: [...]`"


def read_domains(path: str | Path) -> list[Domain]:
    """The domains of a file: a list of objects with domain, keywords and rules.

    Raises:
        RecordError: the file is of another form, or names a domain twice.
    """
    from handrail.records.faults import explain
    from handrail.synthesis import Domain

    data = read_yaml(path)
    if not isinstance(data, list) or not data:
        raise RecordError("there is no list of domains", FORM, str(path))
    domains: list[Domain] = []
    for number, one in enumerate(data, start=1):
        where = f"{path}, domain {number}"
        try:
            domains.append(Domain.model_validate(one))
        except ValidationError as error:
            told = explain(error, Domain, where)
            mend = FORM if "docs/records" in told.mend else told.mend
            raise RecordError(told.problem, mend, where) from None
        if domains[-1].domain in {d.domain for d in domains[:-1]}:
            raise RecordError(
                f"the domain '{domains[-1].domain}' came before", "Join the two", where
            )
    return domains
