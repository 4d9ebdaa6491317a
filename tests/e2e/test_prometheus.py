"""Debian's Alertmanager is told alerts, and Debian's Prometheus reads the metrics and the rules."""

import json
import os
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest

from harness import mint, need, wait
from harness.daemon import Daemon
from harness.servers import Tls
from test_expiry import alerts, seconds, watch
from test_sinks import sink, soon

DOCS = os.path.join(os.environ["TRUST_SOURCE_DIR"], "docs")
RULES = os.path.join(DOCS, "prometheus", "alerts.yml")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Program:
    """A server of the test's own that speaks HTTP and JSON."""

    def __init__(self, place, name, ready, *arguments):
        self.name = name
        self.port = free_port()
        self.log_path = place.path(name + ".log")
        program = need.program(name, unpacked=True)
        prefix = []
        if program.startswith(need.UNPACKED):  # what it wants of /usr/share is there too
            prefix = [*need.namespaces(), "sh", "-c",
                      f"mount --bind {need.UNPACKED}/usr/share /usr/share && exec \"$@\"", "sh"]
        command = [*prefix, program,
                   f"--web.listen-address=127.0.0.1:{self.port}", *arguments]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, env=place.environment, cwd=place.root,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait.until(lambda: self._is_ready(ready), f"{name} to be ready", 90)

    def _is_ready(self, path):
        assert self.process.poll() is None, self.log()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10):
                return True
        except (urllib.error.URLError, ConnectionError):
            return False

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()[-3000:]

    def get(self, path, **query):
        at = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(at, timeout=30) as answer:
            return json.load(answer)

    def close(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@pytest.fixture
def alertmanager(place):
    config = place.write("alertmanager.yml", "route: {receiver: nobody}\n"
                                             "receivers: [{name: nobody}]\n")
    with Program(place, "prometheus-alertmanager", "/-/ready", "--config.file=" + config,
                 "--storage.path=" + place.make("alertmanager"),
                 "--cluster.listen-address=") as it:
        yield it


def test_alertmanager_takes_alerts_and_their_end(place, alertmanager):
    place.add_table("sink", name="alertmanager", type="webhook", format="alertmanager",
                    url=f"http://127.0.0.1:{alertmanager.port}/api/v2/alerts")

    def known(**labels):
        return [one for one in alertmanager.get("/api/v2/alerts")
                if all(one["labels"].get(name) == value for name, value in labels.items())]
    with Daemon(place) as daemon, daemon.rest() as rest:
        place.done("alerts", "test", "alertmanager")
        rest.add(soon(), label="dev")
        rest.add(soon("two.test"), label="two")
        found = wait.until(lambda: known(alertname="TrustExpiring", target="dev"), "the alert", 60)
        alert = alerts(rest, target="dev")[0]
        assert found[0]["status"]["state"] == "active"
        assert found[0]["labels"] == {
            "alertname": "TrustExpiring", "job": "trustd", "instance": socket.gethostname(),
            "kind": "expiring", "severity": "warning", "target": "dev",
            "fingerprint": alert["fingerprint"]}
        assert found[0]["annotations"]["summary"] == alert["summary"]
        assert found[0]["annotations"]["hosts"] == "dev.test"
        assert place.bundle in found[0]["annotations"]["files"]
        wait.until(lambda: known(target="two"), "the other alert", 60)
        place.done("rm", "dev")
        # Alertmanager lists what is active: one that has ended is not among them.
        wait.until(lambda: not known(target="dev"), "the alert to end there", 60)
        assert known(target="two")
        place.done("alerts", "ack", str(alerts(rest, target="two")[0]["id"]))
        assert sink(rest, "alertmanager")["failures"] == 0


@pytest.fixture
def scraped(place):
    """A daemon with something to tell of, on the loopback, and Prometheus, which reads it."""
    port = free_port()
    token = os.path.join(place.state, "token")
    config = place.write("prometheus.yml", f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{RULES}"]
scrape_configs:
  - job_name: trustd
    authorization: {{credentials_file: "{token}"}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
""")
    with Daemon(place, "--listen", f"127.0.0.1:{port}") as daemon, daemon.rest() as rest, \
            Tls(place, mint.self_signed("127.0.0.1")) as server:
        rest.add(mint.self_signed("gone.test", not_before=mint.now() - 60 * mint.DAY,
                                  not_after=mint.now() + seconds(4)), label="gone")
        rest.add(mint.self_signed("here.test"), label="here")
        place.done("watch", "add", server.at)
        wait.until(lambda: (watch(rest, server.at) or {}).get("looked_at"), "the first look")
        wait.until(lambda: alerts(rest, kind="expired"), "the alert")
        with Program(place, "prometheus", "/-/ready", "--config.file=" + config,
                     "--storage.tsdb.path=" + place.make("tsdb")) as prometheus:
            yield rest, server, prometheus


def test_prometheus_reads_the_metrics_and_raises_what_the_rules_say(place, scraped):
    rest, server, prometheus = scraped

    def value(query):
        found = prometheus.get("/api/v1/query", query=query)["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def is_up():
        targets = prometheus.get("/api/v1/targets")["data"]["activeTargets"]
        assert all(not target["lastError"] for target in targets), targets
        return targets and targets[0]["health"] == "up"
    wait.until(is_up, "the target to be scraped", 60)
    here = next(entry for entry in rest.certificates() if entry["label"] == "here")
    ends = wait.until(lambda: value('trustd_cert_not_after{label="here"}'), "the metric", 60)
    assert here["not_after"] == mint.rfc3339(ends)
    assert value(f'trustd_endpoint_up{{endpoint="{server.at}"}}') == 1
    assert value(f'trustd_endpoint_verified{{endpoint="{server.at}"}}') == 0
    assert value('trustd_alerts{kind="expired",severity="critical"}') == 1

    def firing():
        return {one["labels"]["alertname"]: one for one in
                prometheus.get("/api/v1/alerts")["data"]["alerts"] if one["state"] == "firing"}
    wait.until(lambda: {"TrustEntryEnded", "TrustCriticalAlert"} <= set(firing()),
               "the rules to fire", 60)
    assert firing()["TrustEntryEnded"]["annotations"]["summary"] == \
        "gone (CN=gone.test) has ended"
    rules = prometheus.get("/api/v1/rules")["data"]["groups"][0]["rules"]
    assert rules and all(rule["health"] == "ok" and not rule.get("lastError") for rule in rules)
    # every figure of the dashboard is one that is there, or that such a daemon would have
    with open(os.path.join(DOCS, "grafana", "trustd.json"), encoding="utf-8") as file:
        dashboard = json.load(file)
    expressions = [target["expr"] for panel in dashboard["panels"]
                   for target in panel.get("targets", [])]
    assert expressions
    for expression in expressions:
        assert prometheus.get("/api/v1/query", query=expression.replace(
            "$__rate_interval", "1m"))["status"] == "success", expression
    # it stays what it was read as, and goes when the entry goes
    place.done("rm", "gone")
    wait.until(lambda: "TrustEntryEnded" not in firing(), "the rule to be quiet", 60)


def test_promtool_finds_nothing_wrong(place, rest):
    promtool = need.program("promtool", "prometheus", unpacked=True)
    with Tls(place, mint.self_signed("127.0.0.1")) as server:
        rest.add(soon(), label="dev")
        rest.add(mint.mint('a "quoted" \\ name\nof lines', names=("odd.test",)), label="odd")
        place.done("watch", "add", server.at)
        wait.until(lambda: (watch(rest, server.at) or {}).get("looked_at"), "the first look")
        metrics = rest.get("/metrics").body
    assert b"trustd_endpoint_up" in metrics and b'label="odd"' in metrics
    result = place.exec(promtool, "check", "metrics", stdin=metrics)
    assert result.status == 0 and not result.out + result.err, str(result)
    result = place.exec(promtool, "check", "rules", RULES)
    assert result.status == 0 and "FAILED" not in result.out + result.err, str(result)
    tests = place.write("rules-test.yml", RULE_TESTS.replace("RULES", RULES))
    result = place.exec(promtool, "test", "rules", tests)
    assert result.status == 0, str(result)


# Each rule over a day of figures: when it fires, and that it is quiet before.
RULE_TESTS = """
rule_files: ["RULES"]
evaluation_interval: 10m
tests:
  - interval: 10m
    input_series:
      - series: 'trustd_cert_not_after{label="soon",subject="CN=soon"}'
        values: '864000x200'
      - series: 'trustd_cert_not_after{label="ended",subject="CN=ended"}'
        values: '3600x200'
      - series: 'trustd_cert_not_after{label="later",subject="CN=later"}'
        values: '8640000x200'
      - series: 'trustd_endpoint_up{endpoint="down.test:443"}'
        values: '0x200'
      - series: 'trustd_endpoint_verified{endpoint="up.test:443"}'
        values: '1x6 0x200'
      - series: 'trustd_endpoint_pin_mismatch{endpoint="up.test:443"}'
        values: '0x6 1x200'
      - series: 'trustd_sink_failing{sink="chat"}'
        values: '1x200'
      - series: 'trustd_generation'
        values: '3x200'
      - series: 'trustd_published_generation'
        values: '2x200'
    alert_rule_test:
      - {eval_time: 30m, alertname: TrustEntryEndsSoon, exp_alerts: []}
      - {eval_time: 30m, alertname: TrustEntryEnded, exp_alerts: []}
      - {eval_time: 30m, alertname: TrustEndpointPinMismatch, exp_alerts: []}
      - {eval_time: 30m, alertname: TrustEndpointDown, exp_alerts: []}
      - eval_time: 3h
        alertname: TrustEntryEndsSoon
        exp_alerts:
          - exp_labels: {severity: warning, label: soon, subject: CN=soon}
            exp_annotations: {summary: "soon (CN=soon) ends in 9d 21h 0m 0s"}
      - eval_time: 3h
        alertname: TrustEntryEnded
        exp_alerts:
          - exp_labels: {severity: critical, label: ended, subject: CN=ended}
            exp_annotations: {summary: "ended (CN=ended) has ended"}
      - eval_time: 3h
        alertname: TrustEndpointDown
        exp_alerts:
          - exp_labels: {severity: warning, endpoint: "down.test:443"}
            exp_annotations: {summary: "down.test:443 cannot be looked at"}
      - eval_time: 3h
        alertname: TrustEndpointNotVerified
        exp_alerts:
          - exp_labels: {severity: critical, endpoint: "up.test:443"}
            exp_annotations: {summary: "What up.test:443 presents is not trusted"}
      - eval_time: 3h
        alertname: TrustEndpointPinMismatch
        exp_alerts:
          - exp_labels: {severity: critical, endpoint: "up.test:443"}
            exp_annotations: {summary: "up.test:443 presents none of the keys pinned for it"}
      - eval_time: 3h
        alertname: TrustSinkFailing
        exp_alerts:
          - exp_labels: {severity: warning, sink: chat}
            exp_annotations: {summary: "The sink chat takes no alerts: trustctl alerts test chat"}
      - eval_time: 3h
        alertname: TrustNotPublished
        exp_alerts:
          - exp_labels: {severity: warning}
            exp_annotations: {summary: "Changes are stored and not published: trustctl status"}
"""
