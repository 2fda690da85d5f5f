"""The node's hourly objects of a day, as listed."""

import dagster as dg

from vigil_assets.automation.retries import patient
from vigil_assets.partitions import BY_DAY, data_version, days_of, report_day
from vigil_assets.plots import hourly_plot
from vigil_core.calendar import HOURS_PER_DAY
from vigil_resources.files.lake import Lake
from vigil_resources.files.raw_fills import Manifest, RawFills


@dg.asset(group_name="raw", kinds={"s3", "lz4"}, code_version="1", **BY_DAY)
@patient
def raw_fills(
    context: dg.AssetExecutionContext,
    raw: dg.ResourceParam[RawFills],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """One object per UTC hour of the node's clock, LZ4 JSON lines.

    A line is a block since 2025-07-27, a fill since 2025-05-25, a trade before. Materializing
    lists a day's objects (and hour 0 of the next day, which holds the day's last blocks) and
    keeps the listing as the day's manifest, whose version is the data version. A missing hour
    is reported, not an error. The hourly fills appear here once `fills_parquet` has decoded the
    objects.
    """
    versions = []
    for day in days_of(context):
        manifest = raw.manifest(day)
        lake.write_manifest(manifest)
        versions.append(manifest.version)
        report_day(context, day, len(manifest.own), **_listed(manifest))
    return dg.MaterializeResult(data_version=data_version(versions))


def _listed(manifest: Manifest) -> dict[str, object]:
    sizes: list[int | None] = [None] * HOURS_PER_DAY
    for hour, listed in manifest.own.items():
        sizes[hour.hour] = (sizes[hour.hour] or 0) + listed.size // 1024
    return {
        "source": manifest.source,
        "hours_present": HOURS_PER_DAY - len(manifest.missing_hours),
        "hours_missing": ", ".join(map(str, manifest.missing_hours)) or "none",
        "bytes": sum(item.size for item in manifest.own.values()),
        "generations": ", ".join(sorted({hour.generation.value for hour in manifest.own})),
        "manifest_version": manifest.version,
        "hourly_kilobytes": hourly_plot(sizes, f"Compressed kB per hour, {manifest.day}"),
    }
