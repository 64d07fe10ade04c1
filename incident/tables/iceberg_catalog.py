"""Opening Iceberg tables: which catalog, by which properties; and what a catalog's error says about a commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from incident.config import Config
from incident.errors import ConfigError, CredentialsMissing, StorageError, StorageUnreachable
from incident.storage.s3_identity import identity
from incident.tables import missing_extra

if TYPE_CHECKING:
    from pyiceberg.table import Table


def load_table(config: Config, name: str) -> Table:
    """The table ``CATALOG/NAMESPACE.TABLE`` as its catalog knows it now."""
    catalog_name, _, table = name.partition("/")
    try:
        from pyiceberg.catalog import load_catalog
        from pyiceberg.exceptions import NoSuchTableError, NotInstalledError
    except ImportError as error:
        raise missing_extra("iceberg", error) from error
    rule = config.catalog(catalog_name)
    said = dict(rule.properties) if rule is not None else {}
    if said.get("type") == "sql":
        said.setdefault("init_catalog_tables", "false")  # looking makes nothing, also not in the wrong place
    try:
        return load_catalog(catalog_name, **_with_storage(config, said)).load_table(table)
    except NoSuchTableError as error:
        raise ConfigError(
            f"the catalog {catalog_name} has no table {table}", "check table and catalog of its [[dataset]]"
        ) from error
    except NotInstalledError as error:
        raise ConfigError(
            f"the catalog {catalog_name} needs more of pyiceberg: {error}", "install it", code="not-installed"
        ) from error
    except ImportError as error:
        raise missing_extra("iceberg", error) from error
    except Exception as error:
        raise _translated(error, catalog_name, table, known=rule is not None) from error


def _translated(error: Exception, catalog: str, table: str, *, known: bool) -> ConfigError | StorageError | CredentialsMissing:
    from pyiceberg.exceptions import ForbiddenError, UnauthorizedError

    if isinstance(error, ForbiddenError | UnauthorizedError):
        return CredentialsMissing(f"the catalog {catalog} refuses us: {error}", "log in, or correct pyiceberg's configuration")
    if isinstance(error, ValueError) and not known:
        hint = f'add to incident.toml: [[catalog]] name = "{catalog}", type, uri; or configure it in ~/.pyiceberg.yaml'
        return ConfigError(f"the catalog {catalog} of {table} is not known: {error}", hint)
    return StorageUnreachable(f"the catalog {catalog} of {table} cannot be reached: {error}", "check [[catalog]] and the network")


def _with_storage(config: Config, said: Mapping[str, str]) -> dict[str, str]:
    """The catalog's properties; how its warehouse is reached comes from the fitting [[storage]] entry unless said here."""
    scheme, _, place = said.get("warehouse", "").partition("://")
    bucket, _, prefix = place.partition("/")
    entry = config.storage_for(bucket, prefix) if scheme in {"s3", "s3a", "s3n"} and bucket else None
    if entry is None:
        return dict(said)
    found = {"s3.endpoint": entry.endpoint, "s3.region": entry.region}
    if "s3.access-key-id" not in said and (who := identity(entry.profile)) is not None:
        found |= {"s3.access-key-id": who.key, "s3.secret-access-key": who.secret, "s3.session-token": who.token}
    return {**{key: value for key, value in found.items() if value}, **said}


def definite(error: Exception) -> bool:
    """Whether an error means that a commit certainly did not happen."""
    from pyiceberg import exceptions

    return isinstance(
        error,
        exceptions.ForbiddenError
        | exceptions.UnauthorizedError
        | exceptions.AuthorizationExpiredError
        | exceptions.BadRequestError
        | exceptions.NoSuchTableError
        | exceptions.ValidationException,
    )
