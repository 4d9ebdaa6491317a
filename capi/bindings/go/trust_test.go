package trust_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"trustd.test/trust"
)

// These want servers, which tests/bindings starts: HOST:PORT of one that is trusted and pinned, of
// one that is not in the store, and of one that never says anything. All answer GET with "served",
// and the words that tests/bindings/server.py knows.
func endpoint(t *testing.T, variable string) (string, uint16) {
	t.Helper()
	host, text, err := net.SplitHostPort(os.Getenv(variable))
	if err != nil {
		t.Skipf("no %s", variable)
	}
	port, _ := strconv.Atoi(text)
	return host, uint16(port)
}

func opened(t *testing.T) *trust.Store {
	t.Helper()
	store, err := trust.Open("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func trusted(t *testing.T) *trust.Conn {
	t.Helper()
	host, port := endpoint(t, "TRUST_TEST_SERVER")
	conn, err := opened(t).Dial(host, port, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestDeadlinesAreThoseOfNet(t *testing.T) {
	conn := trusted(t)
	if _, err := conn.Write([]byte("stall\n")); err != nil {
		t.Fatal(err)
	}
	for range [2]int{} { // it can be read again after one
		conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, err := conn.Read(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	conn.SetReadDeadline(time.Time{})
	time.AfterFunc(20*time.Millisecond, func() { conn.Close() })
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Fatal("read from a closed connection")
	}
	if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
}

func TestManyGoroutinesMayUseOneConnection(t *testing.T) {
	conn := trusted(t)
	conn.Write([]byte("echo\n"))
	const writers, each = 8, 200_000
	var all sync.WaitGroup
	for index := 0; index < writers; index++ {
		all.Add(1)
		go func() {
			defer all.Done()
			if _, err := conn.Write(make([]byte, each)); err != nil {
				t.Error(err)
			}
		}()
	}
	for index := 0; index < 2; index++ {
		go func() {
			conn.Peer()
			conn.Cipher()
			conn.JudgeAgain()
		}()
	}
	go func() {
		all.Wait()
		conn.CloseWrite()
	}()
	found, err := io.Copy(io.Discard, conn)
	if err != nil || found != writers*each {
		t.Fatal(found, err)
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	host, port := endpoint(t, "TRUST_TEST_SILENT")
	store := opened(t)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	started := time.Now()
	_, err := store.DialContext(ctx, host, port, nil)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(started) > 5*time.Second {
		t.Fatal(err)
	}
	_, err = store.Dial(host, port, &trust.Config{ConnectTimeout: 50 * time.Millisecond})
	if !errors.Is(err, trust.Timeout) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	host, port := endpoint(t, "TRUST_TEST_STRANGER")
	store := opened(t)
	_, err := store.Dial(host, port, nil)
	var refused *trust.Error
	if !errors.As(err, &refused) || !errors.Is(err, trust.SelfSigned) ||
		!refused.Status.Untrusted() || refused.Peer == nil || len(refused.Peer.Path) != 1 {
		t.Fatalf("%#v", err)
	}
	if !strings.Contains(err.Error(), host) || !strings.Contains(err.Error(), refused.Hint) {
		t.Fatal(err)
	}
	_, err = store.Dial("127.1", 443, nil)
	if !errors.Is(err, trust.Argument) && !errors.Is(err, trust.Connect) {
		t.Fatal(err)
	}
	_, err = store.Dial(host, port, &trust.Config{Pins: []string{"sha1/x"}})
	if !errors.Is(err, trust.Argument) {
		t.Fatal(err)
	}
}

func TestTruncationIsNoEnd(t *testing.T) {
	conn := trusted(t)
	conn.Write([]byte("truncate 1000\n"))
	found, err := io.ReadAll(conn)
	if len(found) != 1000 || !errors.Is(err, trust.Truncated) ||
		!errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(len(found), err)
	}
}

// What stays of Go's own verification is none, so the hook must be there, and judge everything.
func TestTheHookComesWithInsecureSkipVerifyAndJudges(t *testing.T) {
	host, port := endpoint(t, "TRUST_TEST_SERVER")
	stranger, strangerPort := endpoint(t, "TRUST_TEST_STRANGER")
	store := opened(t)
	config := store.TLSConfig(host, port, nil)
	if !config.InsecureSkipVerify || config.VerifyConnection == nil {
		t.Fatal("one without the other")
	}
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	resumed := false
	for range [3]int{} {
		conn, err := tls.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(int(port))), config)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
		io.Copy(io.Discard, conn)
		resumed = resumed || conn.ConnectionState().DidResume
		conn.Close()
	}
	if !resumed {
		t.Fatal("no session was resumed")
	}
	address := net.JoinHostPort(stranger, strconv.Itoa(int(strangerPort)))
	_, err := tls.Dial("tcp", address, store.TLSConfig(stranger, strangerPort, nil))
	if !errors.Is(err, trust.SelfSigned) {
		t.Fatal(err)
	}
	// Of another host than it was made for.
	_, err = tls.Dial("tcp", address, config)
	if err == nil {
		t.Fatal("a stranger was taken")
	}
	if err := config.VerifyConnection(tls.ConnectionState{}); err == nil {
		t.Fatal("no certificate was taken")
	}
}

func TestTheTransportRefusesProxiesForHttps(t *testing.T) {
	host, port := endpoint(t, "TRUST_TEST_SERVER")
	transport := opened(t).Transport(nil)
	if transport.Proxy != nil {
		t.Fatal("a proxy of the environment")
	}
	if transport.TLSClientConfig.VerifyConnection(tls.ConnectionState{}) == nil {
		t.Fatal("a connection behind a proxy was taken")
	}
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()
	url := "https://" + net.JoinHostPort(host, strconv.Itoa(int(port))) + "/"
	var all sync.WaitGroup
	for index := 0; index < 20; index++ {
		all.Add(1)
		go func() {
			defer all.Done()
			answer, err := client.Post(url, "text/plain", strings.NewReader("served\n"))
			if err != nil {
				t.Error(err)
				return
			}
			defer answer.Body.Close()
			if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "served\n" {
				t.Error(string(body), err)
			}
		}()
	}
	all.Wait()
}

func TestTheStoreSaysWhereItIs(t *testing.T) {
	store := opened(t)
	if !strings.HasPrefix(store.BundlePath(), store.Directory()) || store.Generation() == 0 {
		t.Fatal(store.Directory(), store.BundlePath(), store.Generation())
	}
	if len(store.Environment()) == 0 {
		t.Fatal("no environment")
	}
	host, port := endpoint(t, "TRUST_TEST_SERVER")
	pins, err := store.Pins(host, port)
	if err != nil || len(pins) != 1 || !pins[0].Enforced || !pins[0].Expires.IsZero() {
		t.Fatal(pins, err)
	}
	store.Close()
	if err := store.Refresh(); !errors.Is(err, trust.State) {
		t.Fatal(err)
	}
	if _, err := trust.Open("/nowhere"); !errors.Is(err, trust.StoreMissing) {
		t.Fatal(err)
	}
}
