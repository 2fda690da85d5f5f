"""The user's own AWS Lambda as a way to the exchange: deployed, called and removed by its owner.

    function = LambdaFunction(settings.aws)
    function.deploy()
    route = LambdaRoute(function, url, budgets, log_folder)
    api = ExchangeApi(url, route, transport=route)

The function has no URL and no policy that lets others in: AWS lets those call it whom the account
that owns it allows to, by signed requests. It asks one address, fixed when it was deployed
(`deploy/lambda/handler.py`), and its role may do nothing at all.
"""

import io
import json
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from vigil_core.errors import VigilError
from vigil_resources.exchange.budget import Charge, WeightBudget
from vigil_resources.exchange.transport import PUBLIC_API, Reply
from vigil_resources.settings import PROJECT_ROOT

NAME = "vigil-egress"
"""Of the function and of its role."""

HANDLER = PROJECT_ROOT / "deploy" / "lambda" / "handler.py"

_RUNTIME = "python3.13"
_TIMEOUT_S = 30
_MEMORY_MB = 256
_TAGS = {"made-by": "vigil"}
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
_ROLE_PAUSES = (1, 2, 4, 8, 15, 15, 15)
"""Seconds until a new role is known to all of AWS."""

_MOVES = 20
"""Instances that may answer in a row before one has the address whose budget was asked."""

_TEMPORARY = {"TooManyRequestsException", "ServiceException", "EC2ThrottledException"}
_TEMPORARY |= {"ResourceConflictException", "ResourceNotReadyException", "ThrottlingException"}


class FunctionFailed(VigilError):
    """AWS did not do with the function what it was asked to."""

    def __init__(self, what: str, reason: object) -> None:
        super().__init__(f"{what}: {reason}")


class NotOurFunction(VigilError):
    """Something of that name exists which Vigil did not make; it was left alone."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} {NAME!r} exists and has no tag {_TAGS}: it was left alone")


class FunctionRefused(VigilError):
    """The function understood the event and does not do such things."""


class LambdaFunction:
    """The function in the user's account. What is there is not asked before it matters.

    Args:
        access: Credentials, region and endpoint as boto3 names them; None: boto3's own chain.
    """

    def __init__(self, access: Mapping[str, str | None]) -> None:
        self._session = dict(access)
        self._endpoint = self._session.pop("endpoint_url", None)

    def deploy(self, info_url: str = f"{PUBLIC_API}/info") -> bool:
        """Create the function, or make it what it should be; True where it is new.

        Args:
            info_url: The one address that it may ask from then on.

        Raises:
            NotOurFunction: The name is taken.
            FunctionFailed: AWS refused.
        """
        with _failures(f"deploying {NAME}"):
            role = self._role()
            settings: dict[str, Any] = {
                "FunctionName": NAME,
                "Role": role,
                "Runtime": _RUNTIME,
                "Handler": "handler.handler",
                "Timeout": _TIMEOUT_S,
                "MemorySize": _MEMORY_MB,
                "Environment": {"Variables": {"VIGIL_INFO_URL": info_url}},
            }
            if self._is_there():
                self._lambda.update_function_code(FunctionName=NAME, ZipFile=package())
                self._lambda.get_waiter("function_updated_v2").wait(FunctionName=NAME)
                self._lambda.update_function_configuration(**settings)
                self._lambda.get_waiter("function_updated_v2").wait(FunctionName=NAME)
                return False
            self._create(settings)
            self._lambda.get_waiter("function_active_v2").wait(FunctionName=NAME)
            return True

    def delete(self) -> list[str]:
        """Remove function and role; gives what was there. Does nothing where nothing is.

        Raises:
            NotOurFunction: One of them is somebody else's.
            FunctionFailed: AWS refused.
        """
        removed = []
        with _failures(f"deleting {NAME}"):
            if self._is_there():
                self._lambda.delete_function(FunctionName=NAME)
                removed.append(f"function {NAME}")
            if self._role_arn() is not None:
                self._iam.delete_role(RoleName=NAME)
                removed.append(f"role {NAME}")
        return removed

    def exposures(self) -> list[str]:
        """Ways in for others than the account's own users; there should be none."""
        found = []
        with _failures(f"looking at {NAME}"):
            if _or_none(lambda: self._lambda.get_policy(FunctionName=NAME)) is not None:
                found.append("a resource policy lets others call it")
            url = _or_none(lambda: self._lambda.get_function_url_config(FunctionName=NAME))
            if url is not None:
                found.append(f"it has a URL with authentication {url['AuthType']}")
        return found

    def invoke(self, event: Mapping[str, object]) -> dict[str, Any]:
        """Call it once, by a signed request, and give its answer.

        Raises:
            OSError: No answer; the event may have been worked on.
            FunctionRefused: It does not do that.
            FunctionFailed: AWS refuses: there is no such function, or no right to call it.
        """
        payload = json.dumps(event).encode()
        try:
            reply = self._lambda.invoke(FunctionName=NAME, Payload=payload)
            content = reply["Payload"].read()
        except HTTPClientError as error:
            raise OSError(f"AWS Lambda: {error}") from error
        except ClientError as error:
            if error.response["Error"]["Code"] in _TEMPORARY:
                raise OSError(f"AWS Lambda: {error}") from error
            raise FunctionFailed(f"calling {NAME}", error) from error
        except BotoCoreError as error:
            raise FunctionFailed(f"calling {NAME}", error) from error
        if "FunctionError" in reply:
            raise OSError(f"{NAME} ended with {reply['FunctionError']}: {content[:300]!r}")
        answer = json.loads(content)
        if not isinstance(answer, dict):
            raise FunctionFailed(f"calling {NAME}", f"it answered {content[:300]!r}")
        if "refused" in answer:
            raise FunctionRefused(f"{NAME} refused: {answer['refused']}")
        return answer

    # --- below: AWS --------------------------------------------------------------------------

    def _create(self, settings: Mapping[str, Any]) -> None:
        for pause in (*_ROLE_PAUSES, None):
            try:
                self._lambda.create_function(
                    **settings, Code={"ZipFile": package()}, Tags=_TAGS, PackageType="Zip"
                )
                return
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code != "InvalidParameterValueException" or pause is None:
                    raise
                time.sleep(pause)

    def _is_there(self) -> bool:
        found = _or_none(lambda: self._lambda.get_function(FunctionName=NAME))
        if found is not None and not _TAGS.items() <= found.get("Tags", {}).items():
            raise NotOurFunction("a function")
        return found is not None

    def _role(self) -> str:
        arn = self._role_arn()
        if arn is None:
            made = self._iam.create_role(
                RoleName=NAME,
                AssumeRolePolicyDocument=json.dumps(_TRUST),
                Description="What Vigil's function may do in this account: nothing",
                Tags=[{"Key": key, "Value": value} for key, value in _TAGS.items()],
            )
            arn = made["Role"]["Arn"]
        return str(arn)

    def _role_arn(self) -> str | None:
        found = _or_none(lambda: self._iam.get_role(RoleName=NAME))
        if found is None:
            return None
        tags = {tag["Key"]: tag["Value"] for tag in found["Role"].get("Tags", [])}
        if not _TAGS.items() <= tags.items():
            raise NotOurFunction("a role")
        return str(found["Role"]["Arn"])

    @cached_property
    def _lambda(self) -> Any:
        # A call that is repeated unseen would cost weight that nobody counts.
        once = Config(retries={"total_max_attempts": 1}, read_timeout=_TIMEOUT_S + 10)
        return self._client("lambda", once)

    @cached_property
    def _iam(self) -> Any:
        return self._client("iam", Config())

    def _client(self, service: str, config: Config) -> Any:
        with _failures(f"a client of {service}"):
            session = boto3.Session(**self._session)
            return session.client(service, endpoint_url=self._endpoint, config=config)


class LambdaRoute:
    """Budget and transport at once, for `ExchangeApi`: each address of the function has a budget.

    AWS decides which instance answers, and each has its own address. So a request names the
    address whose budget it was taken from; an instance with another one says so without asking the
    exchange, and the request is paid for anew. Nothing is sent that its address has no weight for.

    Each call is a line in `lambda_YYYYMMDD_HHMMSS.jsonl`: `at` (UTC), `seconds`, `action`,
    `egress_address`, `outcome`, `status` (of the exchange's answer), `weight`.

    Args:
        function: Deployed; it is called once to learn its address.
        url: Of the API, with or without `/info` at its end.
        budgets: Folder with a budget for each address.
        log_folder: Where the record lies.
        budget: Makes the budget of an address, in a folder.

    Raises:
        FunctionFailed, OSError: The function does not answer.
    """

    def __init__(
        self,
        function: LambdaFunction,
        url: str,
        budgets: Path,
        log_folder: Path,
        *,
        budget: Callable[[Path], WeightBudget] = WeightBudget,
    ) -> None:
        self._function = function
        self._url = url.rstrip("/").removesuffix("/info") + "/info"
        self._folder = budgets
        self._make = budget
        self._budgets: dict[str, WeightBudget] = {}
        self._lock = threading.Lock()
        self._mine = threading.local()
        log_folder.mkdir(parents=True, exist_ok=True)
        self.log = log_folder / f"lambda_{datetime.now(UTC):%Y%m%d_%H%M%S}.jsonl"
        answer, call = self._call({"action": "address"})
        self._record(call, "answered", 0)
        self.address = str(answer["egress_address"])
        """Of the instance that answered last."""

    def reserve(self, weight: int) -> Charge:
        """Wait until the last address that answered may be asked for so much."""
        return self._reserve(self.address, weight)

    def settle(self, charge: Charge, weight: int) -> None:  # noqa: ARG002
        """Charge the address that was asked, and write down the call."""
        address, paid = self._mine.paid
        self._budget(address).settle(paid, weight)
        self._record(self._mine.call, self._mine.outcome, weight)

    def slow_down(self) -> None:
        """Spend half of what the address that was asked has."""
        self._budget(self._mine.paid[0]).slow_down()

    def post(self, body: bytes, timeout_s: float) -> Reply:  # noqa: ARG002
        """The exchange's reply. The function has a time limit of its own."""
        event = {"action": "post", "url": self._url, "body": body.decode()}
        for _ in range(_MOVES):
            address, paid = self._mine.paid
            self._mine.outcome = "failed"
            answer, self._mine.call = self._call({**event, "egress_address": address})
            if "failed" in answer:
                raise OSError(f"{NAME} could not ask: {answer['failed']}")
            if "moved" not in answer:
                self._mine.outcome = "answered"
                return Reply(int(answer["status"]), str(answer["body"]).encode())
            self._record(self._mine.call, "moved", 0)
            self._budget(address).settle(paid, 0)
            self.address = str(answer["egress_address"])
            self._reserve(self.address, paid.weight)
        raise OSError(f"{_MOVES} calls of {NAME} in a row came from changing addresses")

    # --- below: one call ---------------------------------------------------------------------

    def _reserve(self, address: str, weight: int) -> Charge:
        charge = self._budget(address).reserve(weight)
        self._mine.paid = address, charge
        self._mine.call = _Call("post", address)
        self._mine.outcome = "failed"
        return charge

    def _call(self, event: Mapping[str, object]) -> tuple[dict[str, Any], "_Call"]:
        call = _Call(str(event["action"]), event.get("egress_address"))
        self._mine.call = call
        begun = time.monotonic()
        try:
            answer = self._function.invoke(event)
        finally:
            call.seconds = time.monotonic() - begun
        call.egress_address = answer.get("egress_address")
        call.status = answer.get("status")
        return answer, call

    def _budget(self, address: str) -> WeightBudget:
        with self._lock:
            if address not in self._budgets:
                folder = self._folder / address.replace(":", "-")
                self._budgets[address] = self._make(folder)
            return self._budgets[address]

    def _record(self, call: "_Call", outcome: str, weight: int) -> None:
        fields = {
            "at": call.at,
            "seconds": round(call.seconds, 3),
            "action": call.action,
            "egress_address": call.egress_address,
            "outcome": outcome,
            "status": call.status,
            "weight": weight,
        }
        with self._lock, self.log.open("a") as file:
            file.write(json.dumps(fields) + "\n")


class _Call:
    """One call of the function, as it is written down."""

    def __init__(self, action: str, egress_address: object) -> None:
        self.at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.action = action
        self.egress_address = egress_address
        """Of the answer; of the event where there is none."""
        self.seconds = 0.0
        self.status: int | None = None


def package() -> bytes:
    """The function's code as AWS takes it; the same bytes every time."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("handler.py")
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, HANDLER.read_bytes())
    return content.getvalue()


@contextmanager
def _failures(what: str) -> Iterator[None]:
    """Within it, what AWS refuses is a `FunctionFailed`."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise FunctionFailed(what, error) from error


def _or_none(ask: Callable[[], Any]) -> Any:
    """What AWS has; None where it has nothing of the name."""
    try:
        return ask()
    except ClientError as error:
        if error.response["Error"]["Code"] in {"ResourceNotFoundException", "NoSuchEntity"}:
            return None
        raise
