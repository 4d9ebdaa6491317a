"""The table of variables, run: for each tool, what it does when it is told by one variable alone,
and what it does with all of them.

The machine's own roots are replaced for the tool by one root of the test's, the "machine's root",
which the store does not hold. What the tool says to a server under that root shows whether a
variable adds to the machine's roots or replaces them."""

import json
import os
import shutil

import pytest

from emitted import PROGRAMS, REFUSED, SERVED, Bench
from harness import mint, need, servers

PYTHON = "/usr/bin/python3"


class Tool:
    """command(bench, url) -> the command. `alone`: variables that each suffice by themselves, with
    what the tool then says to the machine's root. `together`: what it says to that root when all
    are set. `java`: it wants the variables that are not set by default."""

    def __init__(self, command, alone, together, java=False, plain=SERVED):
        self.command = command
        self.alone = alone
        self.together = together
        self.java = java
        self.plain = plain  # to the machine's root, told nothing


def script(name, *before):
    return lambda bench, url: [*before, os.path.join(PROGRAMS, name), url]


def python(library):
    def command(bench, url):
        ran = bench.run(PYTHON, "-c", f"import {library}".replace("urllib", "urllib.request"))
        if ran.status != 0:
            need.skip(f"no python3-{library} (apt-get install python3-{library})")
        return [PYTHON, os.path.join(PROGRAMS, "fetch.py"), library, url]
    return command


def program(name, package, *arguments):
    return lambda bench, url: [need.program(name, package), *arguments, url]


def perl(module, package, code):
    def command(bench, url):
        interpreter = need.program("perl")
        if bench.run(interpreter, f"-M{module}", "-e1").status != 0:
            need.skip(f"no {module} (apt-get install {package})")
        return [interpreter, f"-M{module}", "-e", code, url]
    return command


def php(extension, package, code):
    def command(bench, url):
        interpreter = need.program("php", "php-cli")
        if extension not in bench.run(interpreter, "-m").out:
            need.skip(f"no {extension} in php (apt-get install {package})")
        return [interpreter, "-r", code, url]
    return command


def pip(bench, url):
    if bench.run(PYTHON, "-m", "pip", "--version").status != 0:
        need.skip("no pip (apt-get install python3-pip)")
    return [PYTHON, "-m", "pip", "download", "--no-cache-dir", "--disable-pip-version-check",
            "--retries", "0", "--no-deps", "-d", bench.root, "--index-url", url, "nothing"]


def openssl(bench, url):
    address = url.split("/")[2]
    return [need.program("openssl"), "s_client", "-quiet", "-verify_return_error", "-connect",
            address]


def s_curl(bench, url):
    return [need.program("curl"), "-sS", url]


def git(bench, url):
    return [need.program("git"), "ls-remote", url + "x.git"]


def composer(bench, url):
    bench.write("composer/composer.json", json.dumps(
        {"repositories": [{"type": "composer", "url": url}, {"packagist.org": False}],
         "require": {"a/b": "*"}}))
    return [need.program("composer"), "-n", "-d", bench.path("composer"), "update", "--no-plugins"]


def hg(bench, url):
    return [need.program("hg", "mercurial"), "identify", url]


def java(bench, url):
    return [*bench.compiled_java(), "Fetch", url]


def go(bench, url):
    return [*bench.compiled_go(), url]


LWP = ('my $a = LWP::UserAgent->new->get($ARGV[0]); print $a->status_line, " ", '
       '$a->decoded_content; exit !$a->is_success')
TINY = ('my $a = HTTP::Tiny->new(verify_SSL => 1)->get($ARGV[0]); '
        'print "$a->{status} $a->{content}"; exit !$a->{success}')
RUBY = 'require "net/http"; puts Net::HTTP.get_response(URI(ARGV[0])).code'
STREAM = 'echo file_get_contents($argv[1]) === false ? "failed" : "fine";'
PHP_CURL = ('$c = curl_init($argv[1]); curl_setopt($c, CURLOPT_RETURNTRANSFER, true); '
            'curl_exec($c); echo curl_error($c);')

# SSL_CERT_FILE replaces the default file alone, and Debian's default directory holds the same.
FILE_ALONE = {"SSL_CERT_FILE": SERVED, "SSL_CERT_DIR": SERVED}
FILE_REPLACES = {"SSL_CERT_FILE": REFUSED, "SSL_CERT_DIR": REFUSED}
TOOLS = {
    "openssl": Tool(openssl, FILE_ALONE, REFUSED),
    "curl": Tool(s_curl, {"CURL_CA_BUNDLE": SERVED, **FILE_ALONE}, SERVED),
    "wget": Tool(program("wget", "wget", "-nv", "-O-", "--tries=1"), {"SYSTEM_WGETRC": REFUSED},
                 REFUSED),
    "git": Tool(git, {"GIT_SSL_CAINFO": SERVED, "GIT_SSL_CAPATH": REFUSED}, REFUSED),
    "urllib": Tool(python("urllib"), FILE_ALONE, REFUSED),
    "aiohttp": Tool(python("aiohttp"), FILE_ALONE, REFUSED),
    "requests": Tool(python("requests"), {"REQUESTS_CA_BUNDLE": REFUSED, "CURL_CA_BUNDLE": REFUSED},
                     REFUSED),
    "httpx": Tool(python("httpx"), FILE_REPLACES, REFUSED),
    "httplib2": Tool(python("httplib2"), {"HTTPLIB2_CA_CERTS": REFUSED}, REFUSED),
    "pip": Tool(pip, {"PIP_CERT": REFUSED, "REQUESTS_CA_BUNDLE": REFUSED}, REFUSED),
    # Node's own build has roots of its own and knows nothing of the machine's. Debian's takes the
    # machine's unless told to be like the other.
    "node": Tool(script("fetch.js", "/usr/bin/node", "--use-bundled-ca"),
                 {"NODE_EXTRA_CA_CERTS": REFUSED}, REFUSED, plain=REFUSED),
    "go": Tool(go, FILE_ALONE, REFUSED),
    "lwp": Tool(perl("LWP::UserAgent", "libwww-perl", LWP), {"PERL_LWP_SSL_CA_FILE": REFUSED}, REFUSED),
    "http-tiny": Tool(perl("HTTP::Tiny", "perl", TINY), {"SSL_CERT_FILE": REFUSED}, REFUSED),
    "ruby": Tool(lambda bench, url: [need.program("ruby"), "-e", RUBY, url], FILE_ALONE, REFUSED),
    "php": Tool(php("openssl", "php-cli", STREAM), FILE_ALONE, REFUSED),
    "composer": Tool(composer, {"COMPOSER_CAFILE": SERVED}, SERVED),
    "java": Tool(java, {"JAVA_TOOL_OPTIONS": REFUSED}, REFUSED, java=True, plain=REFUSED),
}
# Told by no variable: `why` and the documents have to say so.
DEAF = {
    "gnutls-cli": lambda bench, url: [need.program("gnutls-cli", "gnutls-bin"), "--port",
                                      url.rsplit(":", 1)[1].strip("/"), "127.0.0.1"],
    "wget2": program("wget2", "wget2", "-nv", "-O-", "--tries=1"),
    "php-curl": php("curl", "php-curl", PHP_CURL),
    "hg": hg,
}


class Stage:
    """A published store of two certificates, a machine with one root, and a server of each."""

    def __init__(self):
        self.bench = bench = Bench()
        self.root = mint.authority("Private Root")
        self.self_signed = mint.self_signed("127.0.0.1")
        machine = mint.authority("Machine's Root")
        self.store = bench.path("a store")
        current = "a store/current/"
        both = self.root.pem + self.self_signed.pem
        bench.write(current + "bundle.pem", both)
        bench.write(current + "extra.pem", both)
        hashed = os.path.dirname(bench.write(current + "hashed/root.pem", self.root.pem))
        bench.write(current + "hashed/self.pem", self.self_signed.pem)
        bench.done(need.program("openssl"), "rehash", hashed)
        bench.write(current + "truststore.p12", bench.probe(
            "truststore", os.path.join(hashed, "root.pem"), os.path.join(hashed, "self.pem")))
        bench.write(current + "env/wgetrc", bench.probe("env", "wgetrc", self.store))
        self.default = json.loads(bench.probe("env", "json", self.store))
        self.all = json.loads(bench.probe("env", "json", self.store, "java"))

        certs = os.path.dirname(bench.write("certs/ca-certificates.crt", machine.pem))
        bench.write("certs/machine.pem", machine.pem)
        bench.done("openssl", "rehash", certs)
        self.mounts = {"/etc/ssl/certs": certs}
        self.servers = {
            "private": servers.Tls(bench, mint.server(self.root, "127.0.0.1")),
            "self-signed": servers.Tls(bench, self.self_signed),
            "machine": servers.Tls(bench, mint.server(machine, "127.0.0.1")),
            "other": servers.Tls(bench, mint.server(mint.authority("Other"), "127.0.0.1")),
        }

    def fetch(self, command, which, env):
        server = self.servers[which]
        url = f"https://127.0.0.1:{server.port}/"
        ran = self.bench.run(*command(self.bench, url), env=env, mounts=self.mounts,
                             stdin=b"GET / HTTP/1.0\r\n\r\n")
        return self.bench.fetched(server, ran)

    def close(self):
        for server in self.servers.values():
            server.close()
        self.bench.remove()


@pytest.fixture(scope="module")
def stage():
    it = Stage()
    yield it
    it.close()


@pytest.mark.parametrize("name", TOOLS)
def test_told_nothing(stage, name):
    tool = TOOLS[name]
    assert stage.fetch(tool.command, "private", {}) == REFUSED
    assert stage.fetch(tool.command, "self-signed", {}) == REFUSED
    assert stage.fetch(tool.command, "machine", {}) == tool.plain


@pytest.mark.parametrize("name, variable",
                         [(name, variable) for name, tool in TOOLS.items() for variable in tool.alone])
def test_told_by_one_variable(stage, name, variable):
    tool = TOOLS[name]
    env = {variable: stage.all[variable]}
    assert stage.fetch(tool.command, "private", env) == SERVED
    assert stage.fetch(tool.command, "self-signed", env) == SERVED
    assert stage.fetch(tool.command, "other", env) == REFUSED
    assert stage.fetch(tool.command, "machine", env) == tool.alone[variable]


@pytest.mark.parametrize("name", TOOLS)
def test_told_by_all(stage, name):
    tool = TOOLS[name]
    env = stage.all if tool.java else stage.default
    assert stage.fetch(tool.command, "private", env) == SERVED
    assert stage.fetch(tool.command, "self-signed", env) == SERVED
    assert stage.fetch(tool.command, "other", env) == REFUSED
    assert stage.fetch(tool.command, "machine", env) == tool.together


@pytest.mark.parametrize("name", DEAF)
def test_deaf_to_all(stage, name):
    assert stage.fetch(DEAF[name], "private", stage.all) == REFUSED
    assert stage.fetch(DEAF[name], "self-signed", stage.all) == REFUSED


def test_wget_keeps_what_stands_in_the_users_own_file(stage):
    """SYSTEM_WGETRC stands for /etc/wgetrc; ~/.wgetrc is read after it."""
    rc = stage.bench.write("home/.wgetrc", "user_agent = mine\nno_such_command = 1\n")
    try:
        wget = TOOLS["wget"].command(stage.bench, "https://127.0.0.1:1/")
        ran = stage.bench.run(*wget, env=stage.default, mounts=stage.mounts)
        assert "no_such_command" in ran.err, str(ran)
        stage.bench.write("home/.wgetrc", "user_agent = mine\n")
        assert stage.fetch(TOOLS["wget"].command, "private", stage.default) == SERVED
    finally:
        os.remove(rc)


def test_java_says_that_it_was_told(stage):
    command = TOOLS["java"].command(stage.bench, "https://127.0.0.1:1/")
    ran = stage.bench.run(*command, env=stage.all)
    assert "Picked up JAVA_TOOL_OPTIONS" in ran.err
    assert shutil.which("java", path="/usr/bin")
