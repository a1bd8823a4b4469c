"""A column that holds an address, and its lookup of all addresses in a network."""

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from django.db.models import Field, GenericIPAddressField, Lookup

from tokens.origin import Network, parse_network

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

    Sql = tuple[str, tuple[Any, ...]]

IN_NETWORK = "tokens_in_network"


class SameColumn(Field):  # type: ignore[type-arg]  # not at run time
    """A field with the column of one of Django's fields, so that it needs no migration."""

    def deconstruct(self) -> Any:
        """Name the field of Django that this one extends."""
        name, _path, args, kwargs = super().deconstruct()
        (django, *_) = (cls for cls in type(self).__mro__ if cls.__module__.startswith("django."))
        return name, f"django.db.models.{django.__name__}", args, kwargs


class AddressField(SameColumn, GenericIPAddressField):  # type: ignore[type-arg]
    """Find addresses by network: ``ip__within="203.0.113.0/24"``. A whole address finds itself."""


@AddressField.register_lookup
class Within(Lookup):
    """Find the addresses in a network. Every database uses an index that starts with the column.

    PostgreSQL sorts addresses as numbers. SQLite sorts them as text, so it reads those that start
    like the network, and asks Python about each.
    """

    lookup_name = "within"
    prepare_rhs = False

    def as_sql(self, compiler: "SQLCompiler", connection: "BaseDatabaseWrapper") -> "Sql":
        network = parse_network(str(self.rhs))
        column, params = self.process_lhs(compiler, connection)
        if network is None:
            return "1 = 0", ()
        adapt = connection.ops.adapt_ipaddressfield_value
        if network.num_addresses == 1:
            return f"{column} = %s", (*params, adapt(str(network.network_address)))
        if connection.vendor == "postgresql":
            ends = (network.network_address, network.broadcast_address)
            return f"{column} BETWEEN %s AND %s", (*params, *(adapt(str(end)) for end in ends))
        connection.ensure_connection()
        connection.connection.create_function(IN_NETWORK, 2, _is_within, deterministic=True)
        within, asked = f"{IN_NETWORK}({column}, %s)", (*params, str(network))
        if not (start := text_start(network)):
            return within, asked
        end = start[:-1] + chr(ord(start[-1]) + 1)
        sql = f"({column} >= %s AND {column} < %s AND {within})"
        return sql, (*params, start, *params, end, *asked)


def text_start(network: Network) -> str:
    """Return what the text of every address in ``network`` starts with, up to a separator."""
    if network.version == 4:
        whole = network.prefixlen // 8
        return "".join(f"{octet}." for octet in str(network.network_address).split(".")[:whole])
    groups = network.network_address.exploded.split(":")[: network.prefixlen // 16]
    # The text of an address may leave out zeros from the first group that is zero.
    named = groups[: groups.index("0000")] if "0000" in groups else groups
    return "".join(f"{int(group, 16):x}:" for group in named)


def _is_within(address: str | None, network: str) -> bool:
    try:
        return address is not None and ip_address(address) in ip_network(network)
    except ValueError:
        return False  # SQLite stores any text.
