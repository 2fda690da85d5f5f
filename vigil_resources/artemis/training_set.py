"""Snapshots with their labels, as Parquet to learn from, and what they were made of.

    training_set/coin=BTC/month=2025-11/rows.parquet     one row per snapshot with complete labels
    training_set/manifest.json                           files, versions, sources, counts, folds

A month is written again when anything of it changed. The manifest is written last: a file that it
does not name, or names with another digest, is of a build that did not end.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
from psycopg import sql

import vigil_core.artemis
from vigil_core.artemis.features import SCHEMA as FEATURE_COLUMNS
from vigil_core.artemis.labels import COMPLETE
from vigil_core.artemis.labels import SCHEMA as LABEL_COLUMNS
from vigil_core.artemis.parameters import (
    DEFAULT,
    FEATURES,
    FLAGS,
    HORIZONS,
    LONGEST_HORIZON_MS,
    STEP_MS,
    Parameters,
    parameter_texts,
)
from vigil_core.artemis.training import (
    EMBARGOED,
    PURGED,
    TEST,
    TRAIN,
    clipped_targets,
    overlap,
    split,
    uniqueness,
    walk_forward_folds,
)
from vigil_core.calendar import DAY_MS, day_of, day_start_ms, days_between
from vigil_core.errors import LakeIncomplete, ObjectMissing
from vigil_resources.artemis.snapshots import BACKFILL, LABELS
from vigil_resources.artemis.snapshots import FEATURES as SNAPSHOTS
from vigil_resources.database.day_tables import DayTables, fingerprint
from vigil_resources.exchange.cache import coin_folder
from vigil_resources.files.perp_balances import PerpBalances
from vigil_resources.files.store import Store

RELATION = "training_set"
MANIFEST = f"{RELATION}/manifest.json"

_VERSION = "1"
"""Changes with what is written here, so that every month is stale."""

_WEIGHTED = {"30m": HORIZONS["30m"] * STEP_MS, "4h": HORIZONS["4h"] * STEP_MS}
"""Horizons whose labels have weights, ms."""

_TARGETS = ("target_long_30m", "target_short_30m")
_COLUMNS: dict[str, pl.DataType] = {
    **FEATURE_COLUMNS,
    **{name: kind for name, kind in LABEL_COLUMNS.items() if name not in FEATURE_COLUMNS},
}
_OBJECTS = {name: pl.String() for name in ("file_id", "source", "etag", "content_sha")}
_STATUSES = {"coin": pl.String(), "status": pl.String(), "labels": pl.Int64()}
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class TrainingSet:
    """Builds the months of the training set.

    Args:
        tables: Where snapshots and labels are.
        balances: Whose objects the manifest names.
        lake: Where the files go.
        parameters: Of which versions the rows are, and how folds are cut.
    """

    def __init__(
        self,
        tables: DayTables,
        balances: PerpBalances,
        lake: Store,
        parameters: Parameters = DEFAULT,
    ) -> None:
        self._tables = tables
        self._balances = balances
        self._lake = lake
        self._parameters = parameters

    def is_current(self, day: date) -> bool:
        """Whether the day's month was made of the snapshots and labels of now."""
        month = _month(day)
        built_from: str | None = self.manifest().get("months", {}).get(month)
        return built_from == self._fingerprint(month)

    def manifest(self) -> dict[str, Any]:
        """What the set holds and was made of; empty where there is none."""
        try:
            found: dict[str, Any] = json.loads(self._lake.read(MANIFEST))
        except ObjectMissing:
            return {}
        return found

    def build(self, days: Sequence[date]) -> dict[str, Any]:
        """Write the months of these days again where they are stale; gives the manifest.

        Rows of a day whose labels are pending or unavailable are counted, not written.
        """
        with self._tables.alone(RELATION):
            before = self.manifest()
            months: dict[str, str] = before.get("months", {})
            files = {entry["path"]: entry for entry in before.get("files", [])}
            for month in sorted({_month(day) for day in days}):
                built_from = self._fingerprint(month)
                if months.get(month) == built_from:
                    continue
                written = {entry["path"]: entry for entry in self._write(month)}
                gone = [path for path, entry in files.items() if entry["month"] == month]
                for path in gone:
                    if path not in written:
                        self._lake.delete(f"{RELATION}/{path}")
                    del files[path]
                files |= written
                months[month] = built_from
            manifest = self._described(
                dict(sorted(months.items())), [files[p] for p in sorted(files)]
            )
            text = json.dumps(manifest, indent=1) + "\n"
            self._lake.write(MANIFEST, text.encode())
        return manifest

    def rows(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """All rows that the manifest names, by coin and time.

        Raises:
            LakeIncomplete: A file is another than the manifest says.
        """
        none = pl.DataFrame(schema=ROWS)
        frames = [self._read(entry, columns) for entry in self.manifest().get("files", [])]
        return pl.concat([none.select(columns or list(ROWS)), *frames])

    # --- below: one month ------------------------------------------------------------------

    def _write(self, month: str) -> Iterator[dict[str, Any]]:
        start, end = _bounds(month)
        versions = {
            "feature_version": sql.Literal(self._parameters.feature_version),
            "label_version": sql.Literal(self._parameters.label_version),
        }
        coins = self._tables.read(
            "artemis/training_coins",
            {"coin": pl.String()},
            start=start,
            end=end,
            feature_version=versions["feature_version"],
        )
        columns = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
        for coin in coins["coin"]:
            # Labels of the hours around the month share its buckets.
            around = self._tables.read(
                "artemis/training_rows",
                _COLUMNS,
                columns=columns,
                coin=sql.Literal(coin),
                start=start - LONGEST_HORIZON_MS,
                end=end + LONGEST_HORIZON_MS,
                **versions,
            )
            rows = weighted(around, self._parameters).filter(
                pl.col("snapshot_at").is_between(start, end, closed="left")
            )
            if rows.is_empty():
                continue
            path = f"{coin_folder(coin)}/month={month}/rows.parquet"
            content = _parquet(rows)
            self._lake.write(f"{RELATION}/{path}", content)
            yield {
                "path": path,
                "coin": coin,
                "month": month,
                "rows": rows.height,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "null_rows": _null_rows(rows),
            }

    def _read(self, entry: dict[str, Any], columns: Sequence[str] | None) -> pl.DataFrame:
        content = self._lake.read(f"{RELATION}/{entry['path']}")
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            what = f"{RELATION}/{entry['path']} is not what the manifest says"
            raise LakeIncomplete(what, f"materialize {RELATION} again")
        return pl.read_parquet(io.BytesIO(content), columns=list(columns) if columns else None)

    def _fingerprint(self, month: str) -> str:
        start, end = _bounds(month)
        # Labels of the neighbouring days share buckets with the month's.
        states = self._tables.states([SNAPSHOTS, LABELS], start - DAY_MS, end + DAY_MS)
        versions = self._parameters.feature_version, self._parameters.label_version
        return fingerprint(_VERSION, versions, self._parameters.training, states)

    # --- below: the manifest ---------------------------------------------------------------

    def _described(self, months: dict[str, str], files: list[dict[str, Any]]) -> dict[str, Any]:
        parameters = self._parameters
        keys = ["coin", "snapshot_at", "label_end_at", *_TARGETS]
        keys += [f"uniqueness_{name}" for name in _WEIGHTED]
        frames = [self._read(entry, keys) for entry in files]
        rows = pl.concat([pl.DataFrame(schema={k: ROWS[k] for k in keys}), *frames])
        days = sorted({day_of(at) for at in rows["snapshot_at"].unique()})
        return {
            "range": {
                "first_snapshot_at": rows["snapshot_at"].min(),
                "last_snapshot_at": rows["snapshot_at"].max(),
                "first_day": str(days[0]) if days else None,
                "last_day": str(days[-1]) if days else None,
            },
            "origin": BACKFILL,
            "coins": rows["coin"].unique().sort().to_list(),
            "rows": rows.height,
            "not_exported": self._not_exported(months),
            "features": list(FEATURES),
            "flags": FLAGS,
            "feature_version": parameters.feature_version,
            "feature_parameters": parameter_texts(parameters.features),
            "label_version": parameters.label_version,
            "label_parameters": parameter_texts(parameters.labels),
            "training_parameters": parameter_texts(parameters.training),
            "code_sha256": _code_sha256(),
            "label_end_at": "snapshot_at + 4 h: the horizon of the longest label",
            "fees": (
                "net figures deduct fee_open + fee_close of label_parameters, as fractions of the "
                "entry notional, times leverage x 100 percent"
            ),
            "targets": _distributions(rows),
            "effective_rows": _effective_rows(rows),
            "null_share": _null_share(files),
            "folds": _folds(rows, parameters),
            "sources": self._sources(days),
            "months": months,
            "files": files,
        }

    def _not_exported(self, months: Iterable[str]) -> dict[str, dict[str, int]]:
        """Labels that are not complete, by coin and status."""
        counts: dict[str, dict[str, int]] = {}
        version = sql.Literal(self._parameters.label_version)
        for month in months:
            start, end = _bounds(month)
            found = self._tables.read(
                "artemis/training_statuses", _STATUSES, start=start, end=end, label_version=version
            )
            for coin, status, labels in found.filter(pl.col("status") != COMPLETE).iter_rows():
                of_coin = counts.setdefault(coin, {})
                of_coin[status] = of_coin.get(status, 0) + labels
        return counts

    def _sources(self, days: Sequence[date]) -> dict[str, Any]:
        """The objects behind the rows: fills of the range, and the balances of its days."""
        if not days:
            return {"fills": [], "balances": []}
        bounds = {"start": day_start_ms(days[0]), "end": day_start_ms(days[-1]) + 2 * DAY_MS}
        fills = self._tables.read("artemis/source_objects", _OBJECTS, **bounds)
        entries = (self._balances.finished(day) for day in days_between(days[0], days[-1]))
        balances = [
            {"day": entry.day, "source": entry.source, "positions_sha256": entry.positions_sha256}
            for entry in entries
            if entry is not None
        ]
        return {"fills": fills.to_dicts(), "balances": balances}


def weighted(rows: pl.DataFrame, parameters: Parameters = DEFAULT) -> pl.DataFrame:
    """Rows of one coin with targets and weights: columns of `ROWS`, in the order given.

    Args:
        rows: One per snapshot, with the columns of its features and labels.
        parameters: Where targets are clipped.
    """
    at = rows["snapshot_at"].to_numpy()
    weights = [
        pl.Series(f"uniqueness_{name}", uniqueness(at, length))
        for name, length in _WEIGHTED.items()
    ]
    shared = pl.lit(overlap(_WEIGHTED["30m"]), pl.Int32).alias("overlap_30m")
    return (
        pl.concat([rows.with_columns(shared), clipped_targets(rows, parameters)], how="horizontal")
        .with_columns(weights)
        .select(list(ROWS))
    )


ROWS: dict[str, pl.DataType] = {
    **_COLUMNS,
    **dict.fromkeys(_TARGETS, pl.Float64()),
    "overlap_30m": pl.Int32(),
    **{f"uniqueness_{name}": pl.Float64() for name in _WEIGHTED},
}
"""Columns of a file, in this order."""


def _month(day: date) -> str:
    return f"{day:%Y-%m}"


def _bounds(month: str) -> tuple[int, int]:
    """The month's first ms, and the first one after it."""
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC).date()
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return day_start_ms(first), day_start_ms(following)


def _parquet(rows: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    rows.write_parquet(content, compression="zstd")
    return content.getvalue()


def _code_sha256() -> str:
    """Of the rules that rows are made by."""
    folder = Path(vigil_core.artemis.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _null_rows(rows: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Rows without a feature, by feature and reason."""
    counts: dict[str, dict[str, int]] = {}
    for text, times in rows["reasons"].value_counts().sort("reasons").iter_rows():
        for feature, reason in json.loads(text).items():
            of_feature = counts.setdefault(feature, {})
            of_feature[reason] = of_feature.get(reason, 0) + times
    return {feature: counts[feature] for feature in FEATURES if feature in counts}


def _null_share(files: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    total = sum(entry["rows"] for entry in files)
    shares: dict[str, dict[str, float]] = {feature: {} for feature in FEATURES}
    for entry in files:
        for feature, reasons in entry["null_rows"].items():
            for reason, rows in reasons.items():
                shares[feature][reason] = shares[feature].get(reason, 0) + rows / total
    return shares


def _distributions(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Of each coin's targets, percent of the margin."""
    found = []
    for (coin,), group in rows.partition_by("coin", as_dict=True).items():
        for target in _TARGETS:
            values = group[target]
            quantiles = {f"p{100 * q:.0f}": values.quantile(q, "linear") for q in _QUANTILES}
            figures = {"mean": values.mean(), "sd": values.std(), **quantiles}
            found.append({"coin": coin, "target": target, **figures})
    return found


def _effective_rows(rows: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Sums of uniqueness: how many independent rows there are."""
    return {
        str(coin): {name: float(group[f"uniqueness_{name}"].sum()) for name in _WEIGHTED}
        for (coin,), group in rows.partition_by("coin", as_dict=True).items()
    }


def _folds(rows: pl.DataFrame, parameters: Parameters) -> list[dict[str, int]]:
    """Times of the walk forward, and how many rows each set of it has."""
    if rows.is_empty():
        return []
    at, end = rows["snapshot_at"].to_numpy(), rows["label_end_at"].to_numpy()
    training = parameters.training
    folds = walk_forward_folds(
        int(at.min()),
        int(at.max()),
        min_train_days=training.min_train_days,
        test_days=training.test_days,
        step_days=training.step_days,
    )
    described = []
    for fold in folds:
        sets = split(at, end, fold.test_start, fold.test_end, training.embargo_ms)
        counts = {name: int((sets == name).sum()) for name in (TRAIN, TEST, PURGED, EMBARGOED)}
        described.append(
            {
                "train_start": fold.train_start,
                "test_start": fold.test_start,
                "test_end": fold.test_end,
                "last_train_snapshot_at": fold.last_train_snapshot_at,
                **counts,
            }
        )
    return described
