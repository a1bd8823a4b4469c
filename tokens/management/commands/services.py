from django.core.management.base import CommandError, CommandParser

from tokens.management.base import TokensCommand
from tokens.models import Service
from tokens.services import Credential, ServiceGone, add_service, remove_service, rotate_service

ACTS = {
    "list": "List the services.",
    "add": "Add a service, and print its secret once.",
    "rotate": "Give a service another secret, and print it once.",
    "remove": "Remove a service.",
}


class Command(TokensCommand):
    help = "List, add and remove the services that verify tokens, and rotate their secrets."

    def add_arguments(self, parser: CommandParser) -> None:
        of = self.add_acts(parser, ACTS)
        for act in ("add", "rotate", "remove"):
            of[act].add_argument("name", help="The name of the service.")
        of["add"].add_argument(
            "--introspect", action="store_true", help="It may introspect tokens."
        )
        of["add"].add_argument(
            "--feed", action="store_true", help="It may read the revocation feed."
        )

    def handle(self, *, act: str, as_json: bool, name: str = "", **options: bool) -> None:
        if act == "list":
            self._list(as_json=as_json)
            return
        try:
            if act == "remove":
                remove_service(service=_named(name))
                self.tell({"name": name}, f"Removed the service {name}.", as_json=as_json)
            else:
                made = (
                    rotate_service(service=_named(name)) if act == "rotate" else _add(name, options)
                )
                self._tell_secret(made.service, made.secret, as_json=as_json)
        except (ValueError, ServiceGone) as error:
            raise CommandError(str(error)) from error

    def _list(self, *, as_json: bool) -> None:
        services = list(Service.objects.order_by("name"))
        lines = [
            f"{one.name}: {', '.join(_allowed(one))}; last call {one.last_call_at or 'never'};"
            f" calls {one.calls}"
            for one in services
        ]
        facts = {"services": [_facts(service) for service in services]}
        self.tell(facts, "\n".join(lines) or "There are no services.", as_json=as_json)

    def _tell_secret(self, service: Service, secret: str, *, as_json: bool) -> None:
        line = f"Secret of {service.name}, which is not shown again: {secret}"
        self.tell({"name": service.name, "secret": secret}, line, as_json=as_json)


def _add(name: str, options: dict[str, bool]) -> Credential:
    return add_service(
        name=name, may_introspect=options["introspect"], may_read_feed=options["feed"]
    )


def _facts(service: Service) -> dict[str, object]:
    return {
        "name": service.name,
        "may": _allowed(service),
        "created": service.created_at,
        "rotated": service.rotated_at,
        "last_call": service.last_call_at,
        "calls": service.calls,
        "confirmed": service.confirmed_at,
    }


def _allowed(service: Service) -> list[str]:
    allowed = {"introspect": service.may_introspect, "feed": service.may_read_feed}
    return [name for name, may in allowed.items() if may]


def _named(name: str) -> Service:
    service = Service.objects.filter(name=name).first()
    if service is None:
        raise CommandError(f"No service is named {name!r}.")
    return service
