"""What ingest says of a line, or of a model's lines, that cannot be run where they are to go.

Owns which words are said of what. Does not own the words (`domain.batch_errors`), nor when they are
said (`scan`).
"""

from batchway.domain.batch import BatchError
from batchway.domain.batch_errors import BatchText
from batchway.domain.routing import Destination, Forbidden, NotNative, Resolution, Unroutable
from batchway.ports import Unfaithful
from batchway.workflows.plan.cutting import GroupPlan
from batchway.workflows.plan.lots import MOST_LOTS

_MOST_SHOWN = 200  # characters of a model's name


def unfaithful(plan: GroupPlan, line: int, said: Unfaithful, text: BatchText) -> BatchError:
    """A line, from 0, that cannot be said at its targets: `text` says where."""
    return text.error(
        line=line + 1,
        provider=plan.group.primaries[0].provider,
        why=said.why,
        place=said.place,
    )


def too_long(plan: GroupPlan, line: int, size: int) -> BatchError:
    """A line, from 0, that no job can hold: its bodies have that size together."""
    return BatchText.TOO_LONG_FOR_PROVIDER.error(
        line=line + 1,
        size=size + plan.overhead,
        provider=plan.group.takers,
        limit=plan.most_bytes,
    )


def too_many_shapes(plan: GroupPlan, line: int) -> BatchError:
    """A line, from 0, that conflicts with every lot that there may be."""
    target = plan.group.primaries[0]
    return BatchText.TOO_MANY_SHAPES.error(
        line=line + 1,
        provider=target.provider,
        model=(target.model or "")[:_MOST_SHOWN],
        most=MOST_LOTS,
    )


def too_few(plan: GroupPlan) -> BatchError:
    """A plan with a job of fewer rows than its provider takes."""
    traits = plan.traits
    models = dict.fromkeys(target.model or "" for target in plan.group.primaries)
    return BatchText.TOO_FEW_FOR_PROVIDER.error(
        provider=plan.group.takers,
        model="' or '".join(models)[:_MOST_SHOWN],
        least=0 if traits is None else traits.min_lines,
        count=plan.fewest,
    )


def turned_away(name: str, resolution: Resolution, line: int, *, first: bool) -> BatchError | None:
    """A line, from 0, of a model that leads nowhere; `first` is whether it is the first of them.

    `None` where that was said with the first: it is no mistake of a line.
    """
    shown = name[:_MOST_SHOWN]
    match resolution:
        case NotNative() if not first:
            return None
        case NotNative(why=why) if why:
            return BatchText.NO_NATIVE_MODEL.error(
                line=line + 1, model=shown, provider=resolution.provider, why=why
            )
        case NotNative():
            return BatchText.NO_NATIVE_ENDPOINT.error(
                line=line + 1,
                model=shown,
                provider=resolution.provider,
                endpoint=resolution.endpoint,
                endpoints=", ".join(resolution.endpoints) or "none of ours",
            )
        case Destination():
            raise AssertionError("a line with a destination is planned, not turned away")
        case Unroutable(advice=advice):
            return BatchText.NO_ROUTE_TO_MODEL.error(line=line + 1, model=shown, advice=advice)
        case Forbidden(provider=None):
            return BatchText.MODEL_FORBIDDEN.error(line=line + 1, model=shown)
        case Forbidden(provider=provider):
            return BatchText.PROVIDER_FORBIDDEN.error(line=line + 1, model=shown, provider=provider)
