"""The demo's own reading of the lake: every figure made again from the raw orders, in whole cents, by other code than the jobs'.

Read-only. Not one function here is shared with the pipeline, so that an error there is not repeated here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean

from incident.demo.settings import REGION, Settings, days
from incident.demo.store import Missing, Row, Store


@dataclass(frozen=True, slots=True)
class Finding:
    """One dataset: how many partitions were compared, and which are absent or not as the raw orders say."""

    dataset: str
    compared: int
    wrong: tuple[str, ...]

    @property
    def right(self) -> bool:
        return self.compared > 0 and not self.wrong


def audit(store: Store) -> tuple[Finding, ...]:
    """Compare every derived dataset with what the raw orders say it holds."""
    truth = _Truth(store)
    checks: dict[str, Iterator[str | None]] = {
        "enriched/orders": truth.enriched(),
        "metrics/daily": truth.metrics(),
        "metrics/rolling7": truth.rolling(),
        "metrics/monthly": truth.monthly(),
        "accounts/balance": truth.balances(),
        "serving/dashboard": truth.dashboard(),
        "models/fraud": truth.fraud(),
        "customers/segments": truth.segments(),
    }
    found = []
    for dataset, results in checks.items():
        outcome = list(results)
        found.append(Finding(dataset, len(outcome), tuple(wrong for wrong in outcome if wrong is not None)))
    return tuple(found)


def versions(settings: Settings) -> dict[str, list[tuple[str, bool]]]:
    """Every key of the bucket with its version ids, newest first, and whether each is a delete marker."""
    from incident.storage.s3 import S3Store

    listing = S3Store(settings.endpoint, region=REGION).histories(settings.bucket, "")
    return {found.key: [(version.version_id, version.is_marker) for version in found.versions] for found in listing}


class _Truth:
    """What the raw orders say. Each check yields None for a partition that agrees, else its name."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.settings: Settings = store.settings
        self.days = days(self.settings.first, self.settings.last)
        self.orders = {day: self._read("raw/orders", f"dt={day}") for day in self.days}
        self.revenue = {day: sum(_cents(order) for order in rows) for day, rows in self.orders.items()}

    def _read(self, dataset: str, partition: str = "*") -> list[Row]:
        try:
            return self.store.read(dataset, partition)
        except Missing:
            return []

    def enriched(self) -> Iterator[str | None]:
        for day in self.days:
            found = {row["order"]: round(row["amount_eur"] * 100) for row in self._read("enriched/orders", f"dt={day}")}
            yield _compare(f"dt={day}", {order["order"]: _cents(order) for order in self.orders[day]}, found)

    def metrics(self) -> Iterator[str | None]:
        for day in self.days:
            yield _compare(f"dt={day}", (len(self.orders[day]), self.revenue[day]), self._figures("metrics/daily", f"dt={day}"))

    def rolling(self) -> Iterator[str | None]:
        for day in self.days:
            yield _compare(f"dt={day}", self._total(self._week(day)), self._figures("metrics/rolling7", f"dt={day}"))

    def monthly(self) -> Iterator[str | None]:
        for month in sorted({f"{day:%Y-%m}" for day in self.days}):
            inside = [day for day in self.days if f"{day:%Y-%m}" == month]
            yield _compare(f"month={month}", self._total(inside), self._figures("metrics/monthly", f"month={month}"))

    def balances(self) -> Iterator[str | None]:
        owed: dict[str, int] = defaultdict(int)
        for day in self.days:
            for order in self.orders[day]:
                owed[order["merchant"]] += _cents(order)
            rows = self._read("accounts/balance", f"dt={day}")
            found = {row["merchant"]: round(row["balance_eur"] * 100) for row in rows}
            yield _compare(f"dt={day}", {name: owed.get(name, 0) for name in {*owed, *found}}, found)

    def dashboard(self) -> Iterator[str | None]:
        found = {row["tile"]: (row["day"], round(row["value"] * 100)) for row in self._read("serving/dashboard")}
        last, week = self.days[-1], self._total(self._week(self.days[-1]))
        expected = {
            "revenue, 7 days": (str(last), week[1]),
            "orders, 7 days": (str(last), week[0] * 100),
            "owed to merchants": (str(last), sum(self.revenue.values())),
        }
        yield _compare("*", expected, found)

    def fraud(self) -> Iterator[str | None]:
        found = (self._read("models/fraud") or [{"trained": str(self.settings.first), "orders": 0, "mean_eur": 0.0}])[0]
        week = [order for day in self._week(date.fromisoformat(found["trained"])) for order in self.orders[day]]
        expected = (len(week), round(fmean(_cents(order) for order in week)))
        yield _compare("*", expected, (found["orders"], round(found["mean_eur"] * 100)))

    def segments(self) -> Iterator[str | None]:
        monday = max(day for day in self.days if day.weekday() == 0)
        spent: dict[str, int] = defaultdict(int)
        for day in self._week(monday):
            for order in self.orders[day]:
                spent[order["customer"]] += _cents(order)
        found = {row["customer"]: row["segment"] for row in self._read("customers/segments")}
        yield _compare("*", {name: "gold" if spent[name] > 30_000 else "plain" for name in found}, found)

    def _week(self, day: date) -> list[date]:
        return [one for one in self.days if day - timedelta(days=7) < one <= day]

    def _total(self, inside: list[date]) -> tuple[int, int]:
        return sum(len(self.orders[day]) for day in inside), sum(self.revenue[day] for day in inside)

    def _figures(self, dataset: str, partition: str) -> tuple[int, int] | None:
        rows = self._read(dataset, partition)
        return (rows[0]["orders"], round(rows[0]["revenue_eur"] * 100)) if len(rows) == 1 else None


def _cents(order: Row) -> int:
    return int(order["price_cents"]) * int(order["quantity"])


def _compare(partition: str, expected: object, found: object) -> str | None:
    if found == expected and found:
        return None
    return partition
