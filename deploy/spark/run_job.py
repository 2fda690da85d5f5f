"""One job on Spark: `vigil_resources/spark_lake.py` writes it, as JSON on standard input.

    {"master": …, "settings": {…}, "to": folder,
     "fills": {"files": […], "repeated": SQL, "contradicting": SQL, "first_deliveries": SQL},
     "stages": [{"views": {name: files}, "functions": [SQL], "relations": {name: SQL}}]}

Each relation is written as Parquet below `to`, and can be read by the stages after it.
"""

import json
import sys
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

EXACT = {
    # Whatever does not fit its type is an error, not NULL.
    "spark.sql.ansi.enabled": "true",
    # A product keeps all its decimals. By default DECIMAL(38, 12) times itself has 6 of 24.
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    # So does the common type of two decimals, in a CASE or a COALESCE.
    "spark.sql.legacy.decimal.retainFractionDigitsOnTruncate": "true",
    # 1e0 is exact, as in Postgres.
    "spark.sql.legacy.exponentLiteralAsDecimal.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
}
"""Without these the same text gives other figures."""

QUIET = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}


def main() -> None:
    """Do the job; one line on standard error says why not."""
    job = json.load(sys.stdin)
    builder = SparkSession.builder.appName("vigil").master(job["master"])
    for name, value in {**QUIET, **job["settings"], **EXACT}.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    try:
        _view_fills(spark, job["fills"])
        for stage in job["stages"]:
            _do(spark, stage, job["to"])
    except PySparkException as error:
        sys.exit(f"\n{_first_line(error)}")
    finally:
        spark.stop()


def _view_fills(spark: SparkSession, fills: dict[str, Any]) -> None:
    """`fills`, each once, as a load of the warehouse keeps them."""
    lake = spark.read.parquet(*fills["files"])
    lake.createOrReplaceTempView("lake_fills")
    if spark.sql(fills["repeated"]).isEmpty():
        lake.createOrReplaceTempView("fills")
        return
    contradicting = spark.sql(fills["contradicting"]).head()
    if contradicting is not None:
        sys.exit(f"\nfills of the same {contradicting} differ in what happened")
    spark.sql(fills["first_deliveries"]).createOrReplaceTempView("fills")


def _do(spark: SparkSession, stage: dict[str, Any], to: str) -> None:
    for name, files in stage["views"].items():
        spark.read.parquet(files).createOrReplaceTempView(name)
    for function in stage["functions"]:
        spark.sql(function)
    for name, statement in stage["relations"].items():
        folder = f"{to}/{name}"
        spark.sql(statement).write.mode("overwrite").parquet(folder)
        spark.read.parquet(folder).createOrReplaceTempView(name)


def _first_line(error: PySparkException) -> str:
    return str(error).strip().splitlines()[0]


if __name__ == "__main__":
    main()
