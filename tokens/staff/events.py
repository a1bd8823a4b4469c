"""Show and export the audit trail. The query string holds its filters."""

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from tokens.audit.export import CONTENT_TYPES, FORMATS, file_name
from tokens.audit.export import export as write_export
from tokens.permissions import EXPORT_EVENTS, VIEW_EVENTS
from tokens.staff.filters import EventForm
from tokens.staff.guards import staff_may
from tokens.staff.lists import render_list


@require_GET
@staff_may(VIEW_EVENTS)
def index(request: HttpRequest) -> HttpResponse:
    """List the events."""
    return render_list(request, "events", EventForm)


@require_POST
@staff_may(EXPORT_EVENTS)
def export(request: HttpRequest) -> HttpResponseBase:
    """Export all events that the list with the same address shows.

    The event of the export itself is not among them.
    """
    filters = EventForm(request.GET)
    form = request.POST.get("format", "")
    if form not in FORMATS or not filters.is_valid():
        return HttpResponseBadRequest(_("Choose a format, and filters that make sense."))
    lines = write_export(
        events=filters.query.rows(), form=form, actor=request.user, filters=filters.narrowed
    )
    response = StreamingHttpResponse(lines, content_type=CONTENT_TYPES[form])
    response.headers["Content-Disposition"] = f'attachment; filename="{file_name(form)}"'
    response.headers["Cache-Control"] = "no-store"
    return response
