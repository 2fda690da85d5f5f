"""Environment → Settings. The only reader of `os.environ`; `.env` beside the project counts too."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values

from vigil_core.desk.parameters import Bounds, with_multiplier
from vigil_core.errors import InvalidSetting

PROJECT_ROOT = Path(__file__).resolve().parent.parent

WEIGHT_PER_MINUTE = 1_200
"""What the exchange's info API grants to one egress address."""

REGIONS = {
    "hl-mainnet-node-data": "ap-northeast-1",
    "hyperliquid-archive": "us-east-1",
    "artemis-hyperliquid-data": "us-east-1",
}
"""Where the public buckets lie; any other is looked for where the node's bucket is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where Vigil's data come from and go to. `.env.example` lists the variables."""

    data_dir: Path
    """All local state."""
    node_data: str
    """Root of the node's bucket: `s3://…`, or a directory of the same layout."""
    archive_data: str
    """Root of the exchange's archive bucket: likewise."""
    archive_is_meant: bool
    """Whether the archive belongs to the node's data: `VIGIL_ARCHIVE_DATA` is given, or
    `VIGIL_NODE_DATA` is not. Else the one may be real and the other simulated."""
    artemis_data: str
    """Root of Artemis' copies: likewise."""
    artemis_is_meant: bool
    """Whether fills are to be held against Artemis' copy: `VIGIL_ARTEMIS_DATA` is given. Its
    bucket too lets the reader pay."""
    fills_from_artemis: bool
    """Whether the feature line reads Artemis' copy of the fills: `VIGIL_FILLS_FROM=artemis`."""
    api_url: str
    """The exchange's info API."""
    api_is_meant: bool
    """Whether it belongs to the node's data: `HYPERLIQUID_API_URL` is given, or `VIGIL_NODE_DATA`
    is not. Else the one may be real and the other simulated."""
    automation: bool
    """Whether sensors and schedules run without being switched on: `VIGIL_AUTOMATION=on`; where it
    is not given, they do if `VIGIL_NODE_DATA` is. The exchange's bucket lets its reader pay, and
    nothing is fetched from there that nobody named."""
    live: bool
    """Whether `up` also listens to the exchange's stream: `VIGIL_LIVE=on`."""
    ws_url: str
    """The exchange's WebSocket: `VIGIL_WS_URL`, or on the info API's host."""
    ws_is_meant: bool
    """Whether it belongs to the node's data: `VIGIL_WS_URL` is given, or the info API is meant."""
    coins: tuple[str, ...] | None
    """Of which there are feature snapshots; None for all."""
    vaults: tuple[str, ...]
    """Further vaults of the exchange, lower case: what they unload was counted when they took it
    over. The two largest are known without being named."""
    accounts: tuple[str, ...]
    """Further accounts whose funding and transfers are asked for, lower case; those of the
    watchlist are without being named."""
    api_weight: int
    """What a minute's requests to `api_url` may weigh in all: `VIGIL_API_WEIGHT`."""
    batch_days: int
    """Days that one run of a backfill by Dagster's daemon builds, at most: `VIGIL_BATCH_DAYS`."""
    lake: str
    """Root of the Parquet lake: likewise."""
    bounds: Bounds
    """Within which a followed trader's settings may be set: `VIGIL_MULTIPLIER_BOUNDS`."""
    api_token: str | None = field(repr=False)
    """Bearer token for writes: `VIGIL_API_TOKEN`. None: writes from this machine only."""
    api_host: str
    """Address that the API listens on: `VIGIL_API_HOST`."""
    api_names: tuple[str, ...]
    """Further names that it is reached by, behind a proxy for one: `VIGIL_API_NAMES`."""
    webhook_url: str | None = field(repr=False)
    """Where alerts and intents are posted: `VIGIL_WEBHOOK_URL`. Never logged."""
    webhook_secret: str | None = field(repr=False)
    """Signs them: `VIGIL_WEBHOOK_SECRET`. Never logged."""
    smtp_url: str | None = field(repr=False)
    """Mail server for alerts, with its login: `VIGIL_SMTP_URL`. Never logged."""
    alert_email: str | None
    """Who gets them: `VIGIL_ALERT_EMAIL`."""
    telegram_url: str
    """Root of Telegram's Bot API: `VIGIL_TELEGRAM_URL`."""
    telegram_token: str | None = field(repr=False)
    """Of the user's own bot: `VIGIL_TELEGRAM_TOKEN`. None: no chat is polled."""
    database_url: str | None = field(repr=False)
    """Postgres; None is the embedded one under `data_dir`."""
    dagster_pg_url: str | None = field(repr=False)
    """Dagster's storage; None is the embedded Postgres."""
    dagster_url: str | None
    """Where Dagster's pages are, for links to them: `VIGIL_DAGSTER_URL`, which `up` sets."""
    pages_url: str | None
    """Where Vigil's own pages are, for links from assets: `VIGIL_PAGES_URL`, which `up` sets."""
    repository: tuple[str, str] | None
    """Where the code can be read, and its branch, for links from assets to it:
    `VIGIL_REPOSITORY_URL`, as `https://host/owner/name#branch`. None: files of this machine."""
    dagster_home: Path
    postgres_bin: Path | None
    """Another folder with `initdb`, `pg_ctl` and `postgres`."""
    log_format: str
    """`text`, or `json`: one object a line: `VIGIL_LOG_FORMAT`."""
    log_level: str
    """From which level on: `VIGIL_LOG_LEVEL`."""
    s3: Mapping[str, str] = field(repr=False)
    """Region, endpoint and credentials, for obstore; see `s3_for`. Never logged."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the process's environment, and below it the project's `.env`."""
        if environment is None:
            dotenv = dotenv_values(PROJECT_ROOT / ".env")
            environment = {k: v for k, v in dotenv.items() if v is not None} | dict(os.environ)
        given = {name: value for name, value in environment.items() if value.strip()}
        data_dir = _path(given.get("VIGIL_DATA_DIR", "data"))
        api_url = given.get("HYPERLIQUID_API_URL", "https://api.hyperliquid.xyz")
        api_is_meant = "HYPERLIQUID_API_URL" in given or "VIGIL_NODE_DATA" not in given
        return cls(
            data_dir=data_dir,
            node_data=_root(given.get("VIGIL_NODE_DATA", "s3://hl-mainnet-node-data")),
            archive_data=_root(given.get("VIGIL_ARCHIVE_DATA", "s3://hyperliquid-archive")),
            archive_is_meant="VIGIL_ARCHIVE_DATA" in given or "VIGIL_NODE_DATA" not in given,
            artemis_data=_root(
                given.get("VIGIL_ARTEMIS_DATA", "s3://artemis-hyperliquid-data/raw")
            ),
            artemis_is_meant="VIGIL_ARTEMIS_DATA" in given,
            fills_from_artemis=_is_artemis(given.get("VIGIL_FILLS_FROM", "lake")),
            automation=_is_on(given),
            api_url=api_url,
            api_is_meant=api_is_meant,
            live=_one_of(given, "VIGIL_LIVE", ("off", "on")) == "on",
            ws_url=_url(given, "VIGIL_WS_URL", ("wss", "ws")) or _ws_of(api_url),
            ws_is_meant="VIGIL_WS_URL" in given or api_is_meant,
            coins=_coins(given.get("VIGIL_COINS", "BTC,ETH,SOL")),
            vaults=_addresses(given, "VIGIL_VAULTS"),
            accounts=_addresses(given, "VIGIL_ACCOUNTS"),
            api_weight=_count(given, "VIGIL_API_WEIGHT", WEIGHT_PER_MINUTE, 10**9),
            batch_days=_count(given, "VIGIL_BATCH_DAYS", 30, 366),
            lake=_root(given.get("PARQUET_S3", str(data_dir / "lake"))),
            bounds=_bounds(given.get("VIGIL_MULTIPLIER_BOUNDS", "0.5,2")),
            api_token=given.get("VIGIL_API_TOKEN"),
            api_host=given.get("VIGIL_API_HOST", "127.0.0.1").strip(),
            api_names=tuple(given.get("VIGIL_API_NAMES", "").lower().replace(",", " ").split()),
            webhook_url=_url(given, "VIGIL_WEBHOOK_URL", ("https", "http")),
            webhook_secret=given.get("VIGIL_WEBHOOK_SECRET"),
            smtp_url=_url(given, "VIGIL_SMTP_URL", ("smtp", "smtps")),
            alert_email=_email(given.get("VIGIL_ALERT_EMAIL")),
            telegram_url=given.get("VIGIL_TELEGRAM_URL", "https://api.telegram.org"),
            telegram_token=given.get("VIGIL_TELEGRAM_TOKEN"),
            database_url=_postgres(given, "DATABASE_URL"),
            dagster_pg_url=_postgres(given, "DAGSTER_PG_URL"),
            dagster_url=given.get("VIGIL_DAGSTER_URL", "").rstrip("/") or None,
            pages_url=given.get("VIGIL_PAGES_URL", "").rstrip("/") or None,
            repository=_repository(given),
            dagster_home=_path(given.get("DAGSTER_HOME", "dagster_home")),
            postgres_bin=_path(given["VIGIL_PG_BIN"]) if "VIGIL_PG_BIN" in given else None,
            log_format=_one_of(given, "VIGIL_LOG_FORMAT", ("text", "json")),
            log_level=_one_of(given, "VIGIL_LOG_LEVEL", ("info", "debug", "warning", "error")),
            s3={
                "aws_access_key_id": given.get("AWS_ACCESS_KEY_ID", ""),
                "aws_secret_access_key": given.get("AWS_SECRET_ACCESS_KEY", ""),
                "aws_session_token": given.get("AWS_SESSION_TOKEN", ""),
                "aws_region": given.get("AWS_REGION", ""),
                "aws_endpoint_url": given.get("AWS_ENDPOINT_URL", ""),
                "read_timeout": _seconds(given, "VIGIL_S3_READ_TIMEOUT", "20"),
            },
        )

    @property
    def secrets(self) -> frozenset[str]:
        """What must not stand in any log: tokens, and the passwords inside of addresses."""
        urls = (self.webhook_url, self.smtp_url, self.database_url, self.dagster_pg_url)
        parts = (urlsplit(url).password for url in urls if url is not None)
        named = (
            self.api_token,
            self.webhook_secret,
            # The whole of it: what posts there needs no more than the address.
            self.webhook_url,
            self.telegram_token,
            self.s3["aws_secret_access_key"],
            self.s3["aws_session_token"],
        )
        found = {secret for secret in (*parts, *named) if secret}
        return frozenset(found | {unquote(secret) for secret in found})

    @property
    def aws(self) -> Mapping[str, str | None]:
        """The same for boto3, by its names; what is not given is left to its own chain."""
        region = self.s3["aws_region"] or REGIONS["hl-mainnet-node-data"]
        given = {
            "aws_access_key_id": self.s3["aws_access_key_id"],
            "aws_secret_access_key": self.s3["aws_secret_access_key"],
            "aws_session_token": self.s3["aws_session_token"],
            "endpoint_url": self.s3["aws_endpoint_url"],
        }
        return {"region_name": region, **{name: value or None for name, value in given.items()}}

    def s3_for(self, root: str) -> Mapping[str, str]:
        """Access to a root: `AWS_REGION` where it is given, else where its bucket lies."""
        bucket = root.removeprefix("s3://").partition("/")[0]
        region = self.s3["aws_region"] or REGIONS.get(bucket, REGIONS["hl-mainnet-node-data"])
        return {**self.s3, "aws_region": region}


def foreign_api() -> InvalidSetting:
    """What to raise where the API would be asked for rates that do not belong to the fills."""
    return InvalidSetting(
        "HYPERLIQUID_API_URL", "", "the info API that belongs to the fills at VIGIL_NODE_DATA"
    )


def _ws_of(api_url: str) -> str:
    """Where the exchange streams, beside its info API.

    >>> _ws_of("https://api.hyperliquid.xyz/info")
    'wss://api.hyperliquid.xyz/ws'
    """
    root = api_url.rstrip("/").removesuffix("/info")
    return re.sub("^http", "ws", root) + "/ws"


def _path(text: str) -> Path:
    """A relative path counts from the project's folder, wherever the process was started."""
    return (PROJECT_ROOT / Path(text).expanduser()).resolve()


def _coins(text: str) -> tuple[str, ...] | None:
    if text.strip() == "*":
        return None
    coins = tuple(coin.strip() for coin in text.split(",") if coin.strip())
    if not coins:
        raise InvalidSetting("VIGIL_COINS", text, "coins as the exchange writes them, or *")
    return coins


def _addresses(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    text = given.get(name, "")
    found = tuple(address.strip().lower() for address in text.split(",") if address.strip())
    if not all(re.fullmatch("0x[0-9a-f]{40}", address) for address in found):
        raise InvalidSetting(name, text, "addresses, with commas between them")
    return found


def _bounds(text: str) -> Bounds:
    try:
        least, most = (Decimal(part.strip()) for part in text.split(","))
        return with_multiplier(least, most)
    except (ArithmeticError, ValueError) as error:
        expected = "the least and the most, with a comma between them, around 1: 0.5,2"
        raise InvalidSetting("VIGIL_MULTIPLIER_BOUNDS", text, expected) from error


def _seconds(given: Mapping[str, str], name: str, default: str) -> str:
    text = given.get(name, default)
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]+)?", text) or float(text) == 0:
        raise InvalidSetting(name, text, "seconds, more than 0")
    return text


def _is_on(given: Mapping[str, str]) -> bool:
    text = given.get("VIGIL_AUTOMATION", "on" if "VIGIL_NODE_DATA" in given else "off")
    if text not in {"on", "off"}:
        raise InvalidSetting("VIGIL_AUTOMATION", text, "on or off")
    return text == "on"


def _one_of(given: Mapping[str, str], name: str, values: tuple[str, ...]) -> str:
    """The first is what holds where nothing is given."""
    value = given.get(name, values[0]).strip().lower()
    if value not in values:
        raise InvalidSetting(name, value, " or ".join(values))
    return value


def _is_artemis(text: str) -> bool:
    if text not in {"lake", "artemis"}:
        raise InvalidSetting("VIGIL_FILLS_FROM", text, "lake or artemis")
    return text == "artemis"


def _root(text: str) -> str:
    if text.startswith("s3://"):
        return text.rstrip("/")
    return str(_path(text))


def _url(given: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str | None:
    value = given.get(name)
    if value is None:
        return None
    expected = " or ".join(f"{scheme}://host…" for scheme in schemes)
    try:
        url = urlsplit(value)
        is_one = url.scheme in schemes and url.hostname and url.port != 0
    except ValueError:
        is_one = False
    if not is_one or not value.isascii() or any(c.isspace() for c in value):
        # Not repeated: a password may stand in it.
        raise InvalidSetting(name, "…", expected)
    return value


def _count(given: Mapping[str, str], name: str, usual: int, most: int) -> int:
    text = given.get(name, str(usual)).strip()
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise InvalidSetting(name, text, f"a number, 1 to {most}")
    return int(text)


def _repository(given: Mapping[str, str]) -> tuple[str, str] | None:
    url = _url(given, "VIGIL_REPOSITORY_URL", ("https", "http"))
    if url is None:
        return None
    place, _, branch = url.partition("#")
    return place.rstrip("/").removesuffix(".git"), branch or "main"


def _email(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[^@\s,<>]+@[^@\s,<>]+", value):
        raise InvalidSetting("VIGIL_ALERT_EMAIL", value, "one address, name@host")
    return value


def _postgres(given: Mapping[str, str], name: str) -> str | None:
    value = given.get(name)
    if value is None:
        return None
    try:
        url = urlsplit(value)
        hosts = url.netloc.rpartition("@")[2].split(",")
        # A password that holds / ? # as they are ends the host before it begins.
        is_whole = "@" not in url.path + url.query and not url.fragment
        is_one = url.scheme.partition("+")[0] in {"postgresql", "postgres"} and is_whole
        is_one = is_one and all(urlsplit(f"//{host}").port != 0 for host in hosts)
    except ValueError:
        is_one = False
    if not is_one:
        # Not repeated: a password may stand in it.
        expected = "postgresql://user:password@host/database, / # ? @ in the password as %2F %23 …"
        raise InvalidSetting(name, "…", expected)
    return value
