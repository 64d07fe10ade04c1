"""The shop's jobs: plain Python over the lake's partitions, each for one nominal interval.

Money is whole cents in the raw orders and euros with two decimals everywhere after ``enrich``. Release 1.4.1 of ``enrich`` reads
the new price list, which is in cents, as if it were in euros: every amount is a hundred times too large, and nothing fails.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean, pstdev

from incident.demo.settings import BAD
from incident.demo.store import Row
from incident.demo.work import Naming, Work

MERCHANTS = ("aspen", "birch", "cedar", "dogwood", "elm")
CHANNELS = ("web", "shop")
CUSTOMERS = 60


@dataclass(frozen=True, slots=True)
class Job:
    """A job: what it does, how its events name partitions, on which of the lake's days it is due, and whether users read it."""

    name: str
    act: Callable[[Work], None]
    naming: Naming = "silent"
    due: Callable[[date, int], bool] = lambda _day, _number: True
    """Asked with the day and its number since the lake's first day."""
    serving: bool = False


def ingest_orders(work: Work) -> None:
    for day in _days(work):
        rows = [_order(day, number) for number in range(24 + _chance(day, "orders") % 17)]
        work.write("raw/orders", f"dt={day}", rows)


def ingest_customers(work: Work) -> None:
    for day in _days(work):
        rows: list[Row] = [{"customer": f"c{number:03d}", "since": str(2020 + number % 6)} for number in range(CUSTOMERS)]
        work.write("raw/customers", f"dt={day}", rows)


def enrich(work: Work) -> None:
    for day in _days(work):
        priced = []
        for order in work.read("raw/orders", f"dt={day}"):
            cents = order["price_cents"]
            price = float(cents) if work.version == BAD else round(cents / 100, 2)
            priced.append({**order, "price_eur": price, "amount_eur": round(price * order["quantity"], 2)})
        work.write("enriched/orders", f"dt={day}", *([row for row in priced if row["channel"] == one] for one in CHANNELS))


def daily_metrics(work: Work) -> None:
    for day in _days(work):
        orders = work.read("enriched/orders", f"dt={day}")
        revenue = _sum(orders, "amount_eur")
        row = {"day": str(day), "orders": len(orders), "revenue_eur": revenue, "basket_eur": round(revenue / len(orders), 2)}
        work.write("metrics/daily", f"dt={day}", [row])


def weekly_rolling(work: Work) -> None:
    for day in _days(work):
        week = [row for rows in work.read_days("metrics/daily", day - timedelta(days=6), day) for row in rows]
        row = {"day": str(day), "days": len(week), "orders": sum(one["orders"] for one in week)}
        work.write("metrics/rolling7", f"dt={day}", [{**row, "revenue_eur": _sum(week, "revenue_eur")}])


def monthly(work: Work) -> None:
    """The month of the interval's first day, from the days of it that there are so far."""
    first = work.start.replace(day=1)
    last = min((first + timedelta(days=32)).replace(day=1), work.end, work.settings.last + timedelta(days=1)) - timedelta(days=1)
    rows = [row for day in work.read_days("metrics/daily", first, last) for row in day]
    row = {"month": f"{first:%Y-%m}", "days": len(rows), "orders": sum(one["orders"] for one in rows)}
    work.write("metrics/monthly", f"month={first:%Y-%m}", [{**row, "revenue_eur": _sum(rows, "revenue_eur")}])


def balance(work: Work) -> None:
    for day in _days(work):
        totals: dict[str, float] = dict.fromkeys(MERCHANTS, 0.0)
        if day > work.settings.first:
            for row in work.read("accounts/balance", f"dt={day - timedelta(days=1)}"):
                totals[row["merchant"]] = row["balance_eur"]
        for order in work.read("enriched/orders", f"dt={day}"):
            totals[order["merchant"]] += order["amount_eur"]
        rows: list[Row] = [{"merchant": name, "balance_eur": round(total, 2)} for name, total in sorted(totals.items())]
        work.write("accounts/balance", f"dt={day}", rows)


def dashboard(work: Work) -> None:
    day = _days(work)[-1]
    (week,) = work.read("metrics/rolling7", f"dt={day}")
    owed = _sum(work.read("accounts/balance", f"dt={day}"), "balance_eur")
    tiles: list[Row] = [
        {"tile": "revenue, 7 days", "day": str(day), "value": week["revenue_eur"]},
        {"tile": "orders, 7 days", "day": str(day), "value": float(week["orders"])},
        {"tile": "owed to merchants", "day": str(day), "value": owed},
    ]
    work.write("serving/dashboard", "*", tiles)


def fraud_model(work: Work) -> None:
    day = _days(work)[-1]
    amounts = [row["amount_eur"] for rows in work.read_days("enriched/orders", day - timedelta(days=6), day) for row in rows]
    mean, deviation = fmean(amounts), pstdev(amounts)
    model = {
        "trained": str(day),
        "orders": len(amounts),
        "mean_eur": round(mean, 4),
        "alarm_above_eur": round(mean + 3 * deviation, 4),
    }
    work.write_json("models/fraud", "model.json", model)


def segments(work: Work) -> None:
    day = _days(work)[-1]
    spent: dict[str, float] = defaultdict(float)
    for rows in work.read_days("enriched/orders", day - timedelta(days=6), day):
        for row in rows:
            spent[row["customer"]] += row["amount_eur"]
    customers = [row["customer"] for row in work.read("raw/customers", f"dt={day}")]
    named: list[Row] = [{"customer": one, "segment": "gold" if spent[one] > 300 else "plain"} for one in customers]
    work.write("customers/segments", "*", named)


def baskets(work: Work) -> None:
    for day in _days(work):
        sizes: dict[int, int] = defaultdict(int)
        for row in work.read("enriched/orders", f"dt={day}"):
            sizes[row["quantity"]] += 1
        work.write("trial/baskets", f"dt={day}", [{"quantity": size, "orders": count} for size, count in sorted(sizes.items())])


def basket_report(work: Work) -> None:
    day = _days(work)[-1]
    total = sum(row["orders"] for rows in work.read_days("trial/baskets", day - timedelta(days=6), day) for row in rows)
    work.write_json("trial/report", "report.json", {"until": str(day), "orders": total})


SCHEDULE = (
    Job("ingest_orders", ingest_orders),
    Job("ingest_customers", ingest_customers),
    Job("enrich", enrich),
    Job("daily_metrics", daily_metrics),
    Job("weekly_rolling", weekly_rolling),
    Job("monthly", monthly, "outputs"),
    Job("balance", balance),
    Job("dashboard", dashboard, "partitions", serving=True),
    Job("fraud_model", fraud_model, "partitions", lambda _day, number: number % 14 == 1, serving=True),  # every other Tuesday
    Job("segments", segments, "partitions", lambda day, number: day.weekday() == 0 and number > 0),
    Job("baskets", baskets, "locations", lambda _day, number: number < 7),  # a trial that ended after its week
    Job("basket_report", basket_report, "locations", lambda _day, number: number == 6),
)
"""In the order in which a day runs them."""

JOBS = {job.name: job for job in SCHEDULE}


def _days(work: Work) -> list[date]:
    return [work.start + timedelta(days=count) for count in range((work.end - work.start).days)]


def _sum(rows: list[Row], column: str) -> float:
    return round(sum(float(row[column]) for row in rows), 2)


def _chance(day: date, *what: object) -> int:
    """A number that looks random and is the same every time, so that two demos hold the same lake."""
    return zlib.crc32(repr((day.isoformat(), *what)).encode())


def _order(day: date, number: int) -> Row:
    return {
        "order": f"{day:%y%m%d}-{number:03d}",
        "customer": f"c{_chance(day, number, 'customer') % CUSTOMERS:03d}",
        "merchant": MERCHANTS[_chance(day, number, "merchant") % len(MERCHANTS)],
        "channel": CHANNELS[number % 2],
        "quantity": 1 + _chance(day, number, "quantity") % 4,
        "price_cents": 199 + _chance(day, number, "price") % 9_800,
    }
