"""Whether an event about a canary follows the policy: its steps, their order, and what was judged.

Git alone cannot tell whether the numbers in an event are true. But they must be there, complete and
within the limits of the policy that was in force.
"""

from __future__ import annotations

from pydantic import ValidationError

from governed_ml.core.config.policy_schema import Policy
from governed_ml.core.config.production.canary import CanaryTerms
from governed_ml.ledger.events import Event
from governed_ml.ledger.lifecycle import Lifecycle
from governed_ml.ledger.production.canary import Canary, CanaryRecord


def wrong_step(policy: Policy, life: Lifecycle, event: Event) -> str | None:
    """Return why a policy does not allow a canary to start or to advance like this, or None."""
    terms, champion = policy.canary, life.champion
    if terms is None:
        return f"policy {policy.name} has no section canary"
    if champion is None or event.details.get("champion") != champion.number:
        return "it does not name the champion that the canary is compared with"
    share = event.details.get("share")
    if event.action == "canary_started":
        first = terms.steps[0]
        fits = type(share) is int and 1 <= share <= first
        return None if fits else f"the first share is at most {first}, not {str(share)[:20]}"
    if life.canary is None:
        return "there is no canary"
    wanted = terms.next_step(life.canary.share)
    if wanted is None or share != wanted:
        after = "the promotion" if wanted is None else wanted
        return f"after a share of {life.canary.share} comes {after}, not {str(share)[:20]}"
    return wrong_record(event) or _not_passed(terms, life.canary, event)


def wrong_record(event: Event) -> str | None:
    """Return why an event holds no valid judgement of a canary, or None."""
    try:
        found = CanaryRecord.model_validate(event.details)
    except ValidationError:
        return "it does not hold a valid judgement of a canary"
    if event.action == "canary_reverted" and (found.ending is None or not event.reason.strip()):
        return "it does not say why the canary ended"
    return None


def _not_passed(terms: CanaryTerms, now: Canary, event: Event) -> str | None:
    """Return which requirement of a step the recorded judgement does not meet, or None."""
    found = CanaryRecord.model_validate(event.details)
    if found.since != now.since:
        return f"it judges rows since {found.since[:20]}, but the step began at {now.since}"
    fewest = min(found.rows.get("champion", 0), found.rows.get("canary", 0))
    if fewest < terms.minimum_rows:
        return f"it rests on {fewest} rows, at least {terms.minimum_rows} wanted"
    for rule in terms.rules:
        every = rule.each is None and rule.task is None  # others may apply to nothing
        mine = [one for name, one in found.rules.items() if name.partition("[")[0] == rule.id]
        if every and not mine:
            return f"rule {rule.id} was not judged"
        if any(one.limit != rule.block or one.verdict != "pass" for one in mine):
            return f"rule {rule.id} did not pass"
    return None
