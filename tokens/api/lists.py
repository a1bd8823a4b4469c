"""The query parameters of the lists, built from each list's declaration, and their pages."""

from collections.abc import Collection
from typing import assert_never

from django.db.models import Model
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tokens.api.fields import (
    BIG,
    AddressField,
    AnyField,
    CursorField,
    InstantField,
    NumberField,
    Options,
    TextField,
    account_key_field,
)
from tokens.api.serializers import ExampleSerializer
from tokens.audit.export import FORMATS
from tokens.listing.events import EventQuery
from tokens.listing.pagination import InvalidCursor, Listing
from tokens.listing.query import Chosen, Filter, FilterType, ListQuery
from tokens.listing.sessions import SessionQuery
from tokens.listing.tokens import TokenQuery

Form = type[serializers.Serializer[None]]
NOT_OF_THIS_LIST = (
    "Not a cursor of this list with these filters. Use next or previous of one of its pages, or "
    "leave it out for the first page."
)


class Paging(serializers.Serializer[None]):
    """The parameters that choose a page."""

    cursor = CursorField(
        required=False,
        allow_blank=True,
        help_text="next or previous of a page of this list with the same filters; empty for the "
        "first page, and a 400 if it is of another list or of other filters",
    )
    limit = NumberField(
        required=False, default=50, min_value=1, max_value=100, help_text="rows of a page"
    )


def _field(declared: Filter) -> AnyField:
    """Return the parameter of one filter."""
    options: Options = {"required": False}
    if declared.help:
        options["help_text"] = declared.help
    match declared.type:
        case FilterType.CHOICE | FilterType.PERIOD:
            return serializers.ChoiceField(choices=[v for v, _label in declared.choices], **options)
        case FilterType.INSTANT:
            return InstantField(**options)
        case FilterType.NUMBER:
            return NumberField(min_value=0, max_value=BIG, **options)
        case FilterType.ADDRESS:
            return AddressField(**options)
        case FilterType.USER:
            return account_key_field(**options)
        case FilterType.SESSION:
            return serializers.UUIDField(**options)
        case FilterType.SEARCH | FilterType.TEXT:
            blank = declared.type is FilterType.SEARCH
            return TextField(allow_blank=blank, max_length=declared.max_length, **options)
        case _:
            assert_never(declared.type)


def _form(name: str, query: type[ListQuery[Model]], *bases: Form) -> Form:
    fields = {n: _field(d) for n, d in query.filters().items() if not d.admin_only}
    return type(name, bases or (serializers.Serializer,), fields)


Filters = _form("Filters", TokenQuery, Paging)
SessionFilters = _form("SessionFilters", SessionQuery, Paging)
EventFilters = _form("EventFilters", EventQuery, Paging)


class ExportFilters(_form("OfEvents", EventQuery)):  # type: ignore[misc]
    """The filters of an export, and its format."""

    format = serializers.ChoiceField(choices=list(FORMATS))


def asked(request: Request, form: Form) -> Chosen:
    """Return the validated parameters.

    An unknown parameter is an error: a misspelled filter would give a longer list. So is a
    parameter with two different values, as no row can have both.
    """
    given = request.query_params
    filled = form(data=given.dict())
    names = [str(name) for name in filled.fields]
    refuse_unknown(request, names)
    twice = [name for name in names if len(set(given.getlist(name))) > 1]
    if twice:
        raise serializers.ValidationError({name: ["Give this parameter once."] for name in twice})
    filled.is_valid(raise_exception=True)
    return dict(filled.validated_data)


def refuse_unknown(request: Request, names: Collection[str]) -> None:
    """Raise ValidationError (400) if the query has a parameter that is not among ``names``."""
    if unknown := [name for name in request.query_params if name not in names]:
        known = ", ".join(names)
        errors = {name: [f"Unknown parameter. This call has: {known}."] for name in unknown}
        raise serializers.ValidationError(errors)


def page_of(
    request: Request,
    *,
    form: Form,
    query: type[ListQuery[Model]],
    row: type[ExampleSerializer],
) -> Response:
    """Respond with one page of a list, narrowed by the request's parameters."""
    given = asked(request, form)
    cursor, limit = given.pop("cursor", ""), given.pop("limit")
    return page(query(**given).listing(), cursor=cursor, limit=limit, row=row())


def page(listing: Listing[Model], *, cursor: str, limit: int, row: ExampleSerializer) -> Response:
    """Respond with the page at ``cursor``.

    ``next`` and ``previous`` are cursors, null if there is no such page. ``partial`` says that the
    search stopped at its limit; ``next`` continues it. Raises ValidationError (400) for a cursor of
    another list, or of other filters.
    """
    try:
        found = listing.exact_page(cursor=cursor, size=limit)
    except InvalidCursor as error:
        raise serializers.ValidationError({"cursor": [NOT_OF_THIS_LIST]}) from error
    return Response(
        {
            "next": found.older or None,
            "previous": found.newer or None,
            "partial": found.partial,
            "results": [row.to_representation(instance) for instance in found.rows],
        }
    )
