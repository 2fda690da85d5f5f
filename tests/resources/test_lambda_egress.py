"""The user's own function: what it refuses, who may call it, and whose budget is spent."""

import hashlib
import hmac
import http.server
import importlib.util
import io
import json
import random
import secrets
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar
from urllib.parse import quote, unquote

import boto3
import pytest
from moto.server import ThreadedMotoServer

from vigil_cli.__main__ import main
from vigil_resources.exchange.api import ExchangeApi
from vigil_resources.exchange.budget import WeightBudget
from vigil_resources.exchange.errors import ExchangeSilent
from vigil_resources.exchange.lambda_egress import (
    HANDLER,
    NAME,
    FunctionFailed,
    FunctionRefused,
    LambdaFunction,
    LambdaRoute,
    NotOurFunction,
    package,
)
from vigil_sandbox.info_server import Answers, InfoServer, Manners

REGION = "ap-northeast-1"
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", secrets.token_urlsafe(30)
META = {"": {"universe": [{"name": "BTC", "szDecimals": 5, "maxLeverage": 40}]}}


# --- a server that says anything -------------------------------------------------------------


@contextmanager
def serving(answer: Callable[[Any, bytes], tuple[int, dict[str, str], bytes]]) -> Iterator[str]:
    """A server on loopback; `answer` gets the handler and the body, gives status, headers, body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, content = answer(self, body)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _any  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def instance(address: str, check_url: str) -> ModuleType:
    """The function as one of AWS's machines holds it."""
    spec = importlib.util.spec_from_file_location("vigil_lambda_handler", HANDLER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ADDRESS_URL = f"{check_url}/{quote(address)}"  # type: ignore[attr-defined]
    return module


@pytest.fixture
def check_url() -> Iterator[str]:
    """Says of each caller what its path says."""
    with serving(lambda h, _: (200, {}, unquote(h.path[1:]).encode() + b"\n")) as url:
        yield url


@pytest.fixture
def info(monkeypatch: pytest.MonkeyPatch) -> Iterator[InfoServer]:
    with InfoServer(Answers(meta=META), Manners(weight_per_window=10**6)) as server:
        monkeypatch.setenv("VIGIL_INFO_URL", f"{server.url}/info")
        yield server


# --- what the function does ------------------------------------------------------------------


def post(url: object, body: object = '{"type":"meta"}') -> dict[str, Any]:
    return {"action": "post", "url": url, "body": body, "egress_address": "203.0.113.7"}


def test_function_asks_the_exchange(info: InfoServer, check_url: str) -> None:
    one = instance("203.0.113.7", check_url)
    answer = one.handler(post(f"{info.url}/info"), None)
    assert (answer["status"], answer["egress_address"]) == (200, "203.0.113.7")
    assert json.loads(answer["body"]) == META[""]
    # A refusal of the exchange's is an answer.
    assert one.handler(post(f"{info.url}/info", "{}"), None)["status"] == 422


def test_function_asks_nobody_else(info: InfoServer, check_url: str) -> None:
    one = instance("203.0.113.7", check_url)
    host = info.url.removeprefix("http://")
    address, port = host.split(":")
    for url in (
        "http://169.254.169.254/info",
        f"http://{address}:1/info",
        f"http://{address}/info",
        f"http://user@{host}/info",
        f"http://{host}@evil.example/info",
        f"http://{host}.evil.example/info",
        f"http://{host}/info/../exchange",
        f"http://{host}/exchange",
        f"http://{host}/info?x=1",
        f"http://{host}/info#",
        f"http://{host}/info/",
        f"http://{host}/INFO",
        f"HTTP://{host}/info",
        f" http://{host}/info",
        f"http://{host}/info\n",
        f"https://{host}/info",
        "file:///etc/passwd",
        "",
        None,
        ["http://" + host + "/info"],
    ):
        assert set(one.handler(post(url), None)) == {"refused"}, url
    assert info.requests == 0


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "post",
        {},
        {"action": "get"},
        {"action": ["post"]},
        {"method": "GET", "action": "POST"},
    ],
)
def test_function_does_nothing_else(info: InfoServer, check_url: str, event: object) -> None:
    assert set(instance("203.0.113.7", check_url).handler(event, None)) == {"refused"}
    assert info.requests == 0


@pytest.mark.parametrize(
    "body", [None, {"type": "meta"}, "", "type=meta", "{", "[" * 10_000, f'"{"x" * 16_384}"']
)
def test_function_forwards_only_json_of_a_size(
    info: InfoServer, check_url: str, body: object
) -> None:
    one = instance("203.0.113.7", check_url)
    assert set(one.handler(post(f"{info.url}/info", body), None)) == {"refused"}
    assert info.requests == 0


def test_function_follows_no_redirect(
    info: InfoServer, check_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = instance("203.0.113.7", check_url)
    for status in (301, 302, 303, 307, 308):
        target = {"Location": f"{info.url}/info"}
        with serving(lambda _, __, s=status, t=target: (s, t, b"")) as url:  # type: ignore[misc]
            monkeypatch.setenv("VIGIL_INFO_URL", f"{url}/info")
            answer = one.handler(post(f"{url}/info"), None)
        assert "redirects" in answer["refused"]
    assert info.requests == 0


def test_function_bounds_answers(monkeypatch: pytest.MonkeyPatch, check_url: str) -> None:
    one = instance("203.0.113.7", check_url)
    one.LARGEST_ANSWER = 1_000  # type: ignore[attr-defined]
    for size, expected in ((1_000, "status"), (1_001, "refused")):
        with serving(lambda _, __, n=size: (200, {}, b"x" * n)) as url:  # type: ignore[misc]
            monkeypatch.setenv("VIGIL_INFO_URL", f"{url}/info")
            assert expected in one.handler(post(f"{url}/info"), None)


def test_function_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch, check_url: str) -> None:
    one = instance("203.0.113.7", check_url)
    one.TIMEOUT_S = 0.2  # type: ignore[attr-defined]
    woken = threading.Event()

    def hang(_: Any, __: bytes) -> tuple[int, dict[str, str], bytes]:
        woken.wait(5)
        return 200, {}, b"{}"

    with serving(hang) as url:
        monkeypatch.setenv("VIGIL_INFO_URL", f"{url}/info")
        answer = one.handler(post(f"{url}/info"), None)
        woken.set()
    assert "TimeoutError" in answer["failed"]
    assert answer["egress_address"] == "203.0.113.7"


def test_function_speaks_plain_http_on_loopback_only(
    monkeypatch: pytest.MonkeyPatch, check_url: str
) -> None:
    one = instance("203.0.113.7", check_url)
    url = "http://api.hyperliquid.xyz/info"
    monkeypatch.setenv("VIGIL_INFO_URL", url)
    assert "http is not spoken" in one.handler(post(url), None)["refused"]


def test_function_without_a_known_address_asks_nothing(info: InfoServer, check_url: str) -> None:
    for said in ("nothing", "<html>", "1.2.3"):
        answer = instance(said, check_url).handler(post(f"{info.url}/info"), None)
        assert "named no address" in answer["failed"]
    assert info.requests == 0


def test_function_of_another_address_sends_nothing(info: InfoServer, check_url: str) -> None:
    one = instance("203.0.113.8", check_url)
    answer = one.handler(post(f"{info.url}/info"), None)
    assert answer == {"moved": True, "egress_address": "203.0.113.8"}
    assert info.requests == 0


def test_hosts_are_the_two_that_are_documented() -> None:
    one = instance("", "")
    text = HANDLER.read_text()
    assert {word for word in text.split('"') if word.startswith("http") and "/" in word} == {
        "https://checkip.amazonaws.com/"
    }
    assert one.LARGEST_ANSWER < 6_000_000  # type: ignore[attr-defined]


# --- AWS, as it signs and calls --------------------------------------------------------------


class Aws:
    """Lambda's Invoke on loopback: lets in whoever signed with the owner's key, calls handlers."""

    CONTENT: ClassVar[dict[str, str]] = {"Content-Type": "application/json"}

    def __init__(self, instances: list[ModuleType]) -> None:
        self.instances = instances
        self.calls = 0
        self.unsigned = 0
        self.fails: list[tuple[int, str]] = []
        self._lock = threading.Lock()
        # In strict turns, one who asks alone would meet the other instance every time.
        self._chance = random.Random(1)

    def answer(self, handler: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if not is_signed(handler, body):
            self.unsigned += 1
            error = {"Message": "The request signature we calculated does not match"}
            kind = {**self.CONTENT, "x-amzn-ErrorType": "InvalidSignatureException"}
            return 403, kind, json.dumps(error).encode()
        if handler.path != f"/2015-03-31/functions/{NAME}/invocations":
            return 404, {**self.CONTENT, "x-amzn-ErrorType": "ResourceNotFoundException"}, b"{}"
        with self._lock:
            self.calls += 1
            one = self._chance.choice(self.instances)
            if self.fails:
                status, kind_name = self.fails.pop(0)
                return status, {**self.CONTENT, "x-amzn-ErrorType": kind_name}, b"{}"
        return 200, self.CONTENT, json.dumps(one.handler(json.loads(body), None)).encode()


def is_signed(handler: Any, body: bytes) -> bool:
    """Signature Version 4, written down from AWS's description of it."""
    scheme, _, rest = handler.headers.get("Authorization", "").partition(" ")
    if scheme != "AWS4-HMAC-SHA256":
        return False
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    key, day, region, service, end = parts["Credential"].split("/")
    stamp = handler.headers["X-Amz-Date"]
    names = parts["SignedHeaders"].split(";")
    headers = "".join(f"{name}:{handler.headers[name].strip()}\n" for name in names)
    path = quote(handler.path, safe="/-_.~")
    digest = hashlib.sha256(body).hexdigest()
    canonical = "\n".join([handler.command, path, "", headers, ";".join(names), digest])
    scope = f"{day}/{region}/{service}/{end}"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join([scheme, stamp, scope, hashed])
    signing = f"AWS4{SECRET}".encode()
    for word in (day, region, service, "aws4_request"):
        signing = hmac.digest(signing, word.encode(), "sha256")
    expected = hmac.digest(signing, text.encode(), "sha256").hex()
    is_ours = (key, region, service, end) == (KEY, REGION, "lambda", "aws4_request")
    return is_ours and "host" in names and hmac.compare_digest(expected, parts["Signature"])


def function_at(url: str, secret: str = SECRET) -> LambdaFunction:
    return LambdaFunction(
        {
            "region_name": REGION,
            "aws_access_key_id": KEY,
            "aws_secret_access_key": secret,
            "aws_session_token": None,
            "endpoint_url": url,
        }
    )


@contextmanager
def route_of(aws: Aws, info: InfoServer, folder: Path, **budget: Any) -> Iterator[LambdaRoute]:
    options = {"window_s": 1.0, **budget}
    with serving(aws.answer) as url:
        yield LambdaRoute(
            function_at(url),
            info.url,
            folder / "budgets",
            folder,
            budget=lambda path: WeightBudget(path, **options),
        )


def recorded(route: LambdaRoute) -> list[dict[str, Any]]:
    return [json.loads(text) for text in route.log.read_text().splitlines()]


def test_signed_call_reaches_the_exchange(info: InfoServer, check_url: str, tmp_path: Path) -> None:
    aws = Aws([instance("203.0.113.7", check_url)])
    with route_of(aws, info, tmp_path) as route:
        assert ExchangeApi(info.url, route, transport=route).meta()["coin"].to_list() == ["BTC"]
    assert (aws.calls, aws.unsigned, info.requests) == (2, 0, 1)
    first, second = recorded(route)
    assert (first["action"], first["egress_address"], first["weight"]) == (
        "address",
        "203.0.113.7",
        0,
    )
    assert 0 < second.pop("seconds") < 5
    assert second.pop("at") >= first["at"]
    assert second == {
        "action": "post",
        "egress_address": "203.0.113.7",
        "outcome": "answered",
        "status": 200,
        "weight": 20,
    }
    assert (tmp_path / "budgets" / "203.0.113.7" / "state.json").exists()


def test_wrong_key_is_not_let_in(info: InfoServer, check_url: str, tmp_path: Path) -> None:
    aws = Aws([instance("203.0.113.7", check_url)])
    with serving(aws.answer) as url, pytest.raises(FunctionFailed, match="InvalidSignature"):
        LambdaRoute(function_at(url, "wrong"), info.url, tmp_path / "b", tmp_path)
    assert (aws.calls, aws.unsigned, info.requests) == (0, 1, 0)


def test_each_address_has_its_own_budget(info: InfoServer, check_url: str, tmp_path: Path) -> None:
    addresses = ["203.0.113.7", "203.0.113.8"]
    aws = Aws([instance(address, check_url) for address in addresses])
    with route_of(aws, info, tmp_path, per_minute=100) as route:
        api = ExchangeApi(info.url, route, transport=route)
        threads = [threading.Thread(target=api.meta) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert info.requests == 12
    lines = recorded(route)
    sent = [line for line in lines if line["outcome"] == "answered" and line["action"] == "post"]
    assert {line["egress_address"] for line in sent} == set(addresses)
    assert any(line["outcome"] == "moved" for line in lines)
    assert sum(line["weight"] for line in lines) == info.weight == 240
    for address in addresses:
        assert most_in_a_window([line for line in sent if line["egress_address"] == address]) <= 100


def most_in_a_window(lines: list[dict[str, Any]]) -> int:
    """Weight within any second, by when calls began."""
    starts = [datetime.fromisoformat(line["at"]).timestamp() for line in lines]
    weights = [line["weight"] for line in lines]
    return max(
        sum(w for at, w in zip(starts, weights, strict=True) if 0 <= at - begin < 1)
        for begin in starts
    )


def test_what_aws_cannot_do_now_is_tried_again(
    info: InfoServer, check_url: str, tmp_path: Path
) -> None:
    aws = Aws([instance("203.0.113.7", check_url)])
    with route_of(aws, info, tmp_path) as route:
        aws.fails = [(429, "TooManyRequestsException"), (500, "ServiceException")]
        api = ExchangeApi(info.url, route, transport=route, sleep=lambda _: None)
        assert api.meta().height == 1
        aws.fails = [(503, "ServiceException")] * 100
        api = ExchangeApi(info.url, route, transport=route, sleep=lambda _: None, patience_s=9)
        with pytest.raises(ExchangeSilent):
            api.meta()
        assert info.requests == 1
        # What became of a call without an answer is not known: it may have cost all it can.
        outcomes = [(line["outcome"], line["weight"]) for line in recorded(route)]
        assert outcomes[1:4] == [("failed", 20), ("failed", 20), ("answered", 20)]
        aws.fails = [(403, "AccessDeniedException")]
        with pytest.raises(FunctionFailed):
            api.meta()


def test_function_for_another_exchange_is_refused(
    info: InfoServer, check_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = Aws([instance("203.0.113.7", check_url)])
    with route_of(aws, info, tmp_path) as route:
        monkeypatch.setenv("VIGIL_INFO_URL", "https://api.hyperliquid.xyz/info")
        with pytest.raises(FunctionRefused, match="only https://api.hyperliquid.xyz/info"):
            ExchangeApi(info.url, route, transport=route).meta()
    assert info.requests == 0


# --- deployment ------------------------------------------------------------------------------


@pytest.fixture
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    yield url
    function_at(url).delete()
    server.stop()


def client(service: str, url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )


def test_deployed_function_is_what_lies_in_the_folder(moto: str) -> None:
    function = function_at(moto)
    assert function.deploy() is True
    found = client("lambda", moto).get_function(FunctionName=NAME)
    settings = found["Configuration"]
    assert settings["Environment"]["Variables"] == {
        "VIGIL_INFO_URL": "https://api.hyperliquid.xyz/info"
    }
    assert (settings["Timeout"], settings["Handler"]) == (30, "handler.handler")
    assert settings["CodeSize"] == len(package())
    archive = zipfile.ZipFile(io.BytesIO(package()))
    assert archive.namelist() == ["handler.py"]
    assert archive.read("handler.py") == HANDLER.read_bytes()
    # Again: nothing is made twice, and what differs is put right.
    assert function.deploy("https://example.com/info") is False
    settings = client("lambda", moto).get_function(FunctionName=NAME)["Configuration"]
    assert settings["Environment"]["Variables"] == {"VIGIL_INFO_URL": "https://example.com/info"}


def test_role_may_do_nothing_and_nobody_else_may_call(moto: str) -> None:
    function = function_at(moto)
    function.deploy()
    iam = client("iam", moto)
    assert iam.list_role_policies(RoleName=NAME)["PolicyNames"] == []
    assert iam.list_attached_role_policies(RoleName=NAME)["AttachedPolicies"] == []
    [trusted] = iam.get_role(RoleName=NAME)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert function.exposures() == []
    client("lambda", moto).create_function_url_config(FunctionName=NAME, AuthType="NONE")
    client("lambda", moto).add_permission(
        FunctionName=NAME, StatementId="all", Action="lambda:InvokeFunction", Principal="*"
    )
    assert len(function.exposures()) == 2


def test_deleted_function_leaves_nothing(moto: str) -> None:
    function = function_at(moto)
    function.deploy()
    assert function.delete() == [f"function {NAME}", f"role {NAME}"]
    assert function.delete() == []
    assert client("lambda", moto).list_functions()["Functions"] == []
    assert [r["RoleName"] for r in client("iam", moto).list_roles()["Roles"]] == []


def test_recipes_put_it_there_and_take_it_away(
    moto: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", REGION)

    def run(recipe: str) -> str:
        monkeypatch.setattr(sys, "argv", ["vigil", recipe])
        assert main() == 0
        return capsys.readouterr().out

    assert run("lambda-deploy").startswith(f"{NAME} is deployed")
    assert run("lambda-deploy").startswith(f"{NAME} is up to date")
    assert run("lambda-delete") == f"removed function {NAME}\nremoved role {NAME}\n"
    assert run("lambda-delete") == f"there was no {NAME}\n"
    monkeypatch.setattr(sys, "argv", ["vigil", "lambda-test"])
    assert main() == 1
    assert f"calling {NAME}" in capsys.readouterr().err


def test_what_is_not_ours_is_left_alone(moto: str) -> None:
    iam = client("iam", moto)
    iam.create_role(RoleName=NAME, AssumeRolePolicyDocument="{}")
    function = function_at(moto)
    for change in (function.deploy, function.delete):
        with pytest.raises(NotOurFunction):
            change()
    assert iam.get_role(RoleName=NAME)
    iam.delete_role(RoleName=NAME)
