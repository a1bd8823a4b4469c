"""A difference between the trail and its seals."""

from typing import Literal, TypeAlias

What: TypeAlias = Literal["changed", "removed", "added", "unreadable", "targets", "seal"]


class Tampered(Exception):
    """A difference between the trail and its seals.

    ``what`` is ``changed``, ``removed`` or ``added`` for an event, whose id is ``event`` if it is
    known, ``unreadable`` for one with a value that the portal never writes, ``targets`` if the
    list of sessions and users that the event ended differs, or names no event that can exist, or
    ``seal`` if the seal itself is wrong. ``seal`` is the number of the seal, or None for an event
    that no seal covers. ``last`` is the id of the last event if several that follow each other
    differ in the same way.
    """

    def __init__(
        self,
        what: What,
        *,
        seal: int | None,
        event: int | None = None,
        last: int | None = None,
        why: str = "",
    ) -> None:
        under = f"under seal {seal}" if seal is not None else "under no seal"
        several = last is not None and last != event
        if what == "seal":
            text = f"Seal {seal}: {why}." if seal is not None else f"A seal: {why}."
        elif what == "targets" and event is None:
            text = "A list of sessions was added to an event that cannot exist."
        elif what == "targets":
            text = f"The list of sessions that event {event} ({under}) ended was changed."
        elif event is None:
            text = f"An event {under} was {what}."
        elif what == "unreadable":
            those = f"Events {event} to {last}" if several else f"Event {event}"
            text = f"{those} ({under}) can't be read: the portal did not write this."
        elif several:
            text = f"The events {event} to {last} ({under}) were {what}."
        else:
            text = f"Event {event} ({under}) was {what}."
        super().__init__(text)
        self.what, self.seal, self.event = what, seal, event
        self.last = event if last is None else last

    @property
    def events(self) -> range:
        """Return the ids of the events that differ."""
        if self.event is None or self.last is None:
            return range(0)
        return range(self.event, self.last + 1)
