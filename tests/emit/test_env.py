"""The texts of the variables, read back by what reads them."""

import json

import pytest

from emitted import PROBE
from harness import need

STORES = ["/srv/store", "/with space/store", "/it's/a \"store\"", "/d$HOME/`id`/$(id)/\\x",
          "/ünïcödé/日本", "/a;b&c|d>e*?[f]~{g}!h#i%j", "/--dash=x"]
DISTRIBUTION = "/etc/ssl/certs/ca-certificates.crt"
SHELLS = ["sh", "dash", "bash", "zsh"]


def expected(bench, store, *more):
    return json.loads(bench.probe("env", "json", store, *more))


def shell(name):
    return [need.program(name, {"sh": "dash"}.get(name, name))]


def variables_of(out, names):
    values = dict(entry.split("=", 1) for entry in out.split("\0") if "=" in entry)
    return {name: values[name] for name in names if name in values}


@pytest.fixture(params=SHELLS)
def posix(request):
    return shell(request.param)


@pytest.fixture
def fish():
    return shell("fish")


def sourced(bench, command, form, store, before="", after="", env=None, arguments=("-c",), more=()):
    """What is exported after the shell read the text; and the run itself."""
    text = bench.write(f"env.{form}", bench.probe("env", form, store, *more))
    script = f"{before}\n. '{text}'\n{after}\nenv -0"
    ran = bench.run(*command, *arguments, script, env=env)
    assert ran.status == 0, str(ran)
    return ran


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("form", ["sh", "sh-profile"])
def test_posix_shells(bench, posix, form, store):
    want = expected(bench, store, "java")
    ran = sourced(bench, posix, form, store, before="set -eu", more=("java",))
    assert variables_of(ran.out, want) == want
    assert ran.err == ""


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("form", ["fish", "fish-profile"])
def test_fish(bench, fish, form, store):
    want = expected(bench, store, "java")
    ran = sourced(bench, fish, form, store, more=("java",))
    assert variables_of(ran.out, want) == want
    assert ran.err == ""


@pytest.mark.parametrize("family", ["posix", "fish"])
def test_a_profile_keeps_what_somebody_else_set(bench, request, family):
    command = [shell("bash"), shell("dash"), shell("zsh")] if family == "posix" else [shell("fish")]
    form = "sh-profile" if family == "posix" else "fish-profile"
    want = expected(bench, "/s")
    for one in command:
        env = {"PIP_CERT": "/corp/ca.pem", "GIT_SSL_CAPATH": "/corp/a:/corp/b"}
        ran = sourced(bench, one, form, "/s", env=env)
        assert variables_of(ran.out, want) == {**want, **env}, str(ran)
        assert ran.err == "", "a warning where nobody is watching"
        loud = sourced(bench, one, form, "/s", env=env, arguments=("-i", "-c"))
        assert variables_of(loud.out, want) == {**want, **env}
        assert "PIP_CERT" in loud.err and "GIT_SSL_CAPATH" in loud.err, str(loud)
        assert "SSL_CERT_FILE" not in loud.err


@pytest.mark.parametrize("family", ["posix", "fish"])
def test_a_profile_takes_the_place_of_the_distributions_own(bench, family):
    command, form = {"posix": (shell("sh"), "sh-profile"), "fish": (shell("fish"), "fish-profile")}[family]
    want = expected(bench, "/s")
    env = {"SSL_CERT_FILE": DISTRIBUTION, "SSL_CERT_DIR": "/etc/ssl/certs/",
           "NODE_EXTRA_CA_CERTS": DISTRIBUTION}
    after = {**want, "NODE_EXTRA_CA_CERTS": "/s/current/bundle.pem"}
    ran = sourced(bench, command, form, "/s", env=env)
    assert variables_of(ran.out, want) == after


@pytest.mark.parametrize("family", ["posix", "fish"])
def test_a_profile_may_be_sourced_twice_and_leaves_nothing_else(bench, family):
    command, form = {"posix": (shell("sh"), "sh-profile"), "fish": (shell("fish"), "fish-profile")}[family]
    env = {"NODE_EXTRA_CA_CERTS": DISTRIBUTION, "JAVA_TOOL_OPTIONS": "-Xmx1g"}
    once = sourced(bench, command, form, "/s", env=env, more=("java",))
    path = bench.path(f"env.{form}")
    twice = sourced(bench, command, form, "/s", env=env, more=("java",), after=f". '{path}'")
    assert twice.out == once.out
    assert once.out.count("-Xmx1g -Djavax.net.ssl.trustStore=/s/current/truststore.p12") == 1
    dump = "set" if family == "posix" else "set -n; functions -n"
    ran = bench.done(*command, "-c", f". '{path}'; {dump}", env=env)
    assert "_trustd" not in ran.out


def test_systemd_and_docker_read_the_same_from_the_dotenv_file(bench):
    for store in STORES:
        lines = bench.probe("env", "dotenv", store, "java").decode().splitlines()
        plain = {}
        for line in lines:  # docker --env-file: what stands behind the first "=", as it is
            if line.startswith("#"):
                continue
            name, value = line.split("=", 1)
            assert not set("'\"\\$#`") & set(value) and value == value.strip()
            plain[name] = value
        want = expected(bench, store, "java")
        assert plain.items() <= want.items()
        assert len(plain) + sum(line.startswith("# ") for line in lines) == len(want)
    assert len(bench.probe("env", "dotenv", STORES[1]).decode().splitlines()) == \
        len(expected(bench, STORES[1]))


def test_a_directory_with_a_newline_is_refused(bench):
    for form in ("sh", "fish", "dotenv", "json", "sh-profile", "fish-profile", "wgetrc"):
        ran = bench.run(PROBE, "env", form, "/new\nline")
        assert ran.status == 1 and ran.out == "", str(ran)
        assert "/new\\x0aline" in ran.err or "\\u" in ran.err or "\\n" in ran.err, ran.err
