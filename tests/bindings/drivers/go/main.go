// Does with the Go binding what each line of standard input says; see driven.py.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"trustd.test/trust"
)

type said = map[string]any

var (
	store  *trust.Store
	client *http.Client
)

func pattern(length int) []byte {
	made := make([]byte, length)
	for index := range made {
		made[index] = byte(index % 251)
	}
	return made
}

func judgement(peer *trust.Peer) any {
	var found struct{ Trusted bool }
	if err := json.Unmarshal([]byte(peer.JSON), &found); err != nil {
		return err.Error()
	}
	return found.Trusted
}

func failed(err error) said {
	var ours *trust.Error
	if !errors.As(err, &ours) {
		return said{"outcome": "failed", "name": fmt.Sprintf("%T", err), "message": err.Error(),
			"deadline": errors.Is(err, os.ErrDeadlineExceeded)}
	}
	answer := said{"outcome": "failed", "name": ours.Status.String(), "message": ours.Message,
		"hint": ours.Hint, "unexpected_eof": errors.Is(err, io.ErrUnexpectedEOF)}
	if ours.Status.Untrusted() {
		answer["outcome"] = "refused"
		answer["fingerprint"] = ours.Peer.Fingerprint
		answer["certificates"] = len(ours.Peer.Path)
		answer["trusted"] = judgement(ours.Peer)
	}
	return answer
}

func get(host string, port uint16, _ ...string) said {
	conn, err := store.Dial(host, port, nil)
	if err != nil {
		return failed(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", host)
	answer, err := io.ReadAll(conn)
	if err != nil {
		return failed(err)
	}
	_, body, _ := bytes.Cut(answer, []byte("\r\n\r\n"))
	return said{"outcome": "served", "body": string(body), "resumed": conn.Resumed(),
		"fingerprint": conn.Peer().Fingerprint, "tls": conn.TLSVersion(),
		"trusted": judgement(conn.Peer()),
		"pinned":  conn.Peer().PinStatus == trust.PinMatched}
}

func pooled(host string, port uint16, _ ...string) said {
	answer, err := client.Get("https://" + net.JoinHostPort(host, strconv.Itoa(int(port))) + "/")
	if err != nil {
		return failed(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return failed(err)
	}
	return said{"outcome": "served", "body": string(body)}
}

// native keeps to crypto/tls, with the store's judgement.
func native(host string, port uint16, _ ...string) said {
	transport := &http.Transport{TLSClientConfig: store.TLSConfig(host, port, nil),
		DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport}).Get(
		"https://" + net.JoinHostPort(host, strconv.Itoa(int(port))) + "/")
	if err != nil {
		return failed(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return failed(err)
	}
	return said{"outcome": "served", "body": string(body)}
}

func forget(string, uint16, ...string) said {
	client.CloseIdleConnections()
	return said{"outcome": "done"}
}

func echo(host string, port uint16, more ...string) said {
	length, _ := strconv.Atoi(more[0])
	data := pattern(length)
	conn, err := store.Dial(host, port, nil)
	if err != nil {
		return failed(err)
	}
	defer conn.Close()
	wrote := make(chan error)
	go func() {
		_, err := conn.Write(append([]byte("echo\n"), data...))
		if err == nil {
			err = conn.CloseWrite()
		}
		wrote <- err
	}()
	found, err := io.ReadAll(conn)
	if other := <-wrote; err == nil {
		err = other
	}
	if err != nil {
		return failed(err)
	}
	return said{"outcome": "served", "bytes": len(found), "equal": bytes.Equal(found, data)}
}

func read(host string, port uint16, what ...string) said {
	conn, err := store.Dial(host, port, nil)
	if err != nil {
		return failed(err)
	}
	defer conn.Close()
	fmt.Fprintln(conn, strings.Join(what, " "))
	count, err := io.Copy(io.Discard, conn)
	answer := said{"outcome": "served"}
	if err != nil {
		answer = failed(err)
	}
	answer["bytes"] = count
	return answer
}

// Until a goroutine waits for the network inside of a Read of ours.
func waitUntilReading() {
	stacks := make([]byte, 1<<20)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		all := string(stacks[:runtime.Stack(stacks, true)])
		for _, one := range strings.Split(all, "\n\n") {
			header, calls, _ := strings.Cut(one, "\n")
			if strings.Contains(header, "[IO wait") && strings.Contains(calls, "trust.(*Conn).Read(") {
				return
			}
		}
		runtime.Gosched()
	}
	panic("no goroutine waits in a Read")
}

func cancel(host string, port uint16, _ ...string) said {
	conn, err := store.Dial(host, port, nil)
	if err != nil {
		return failed(err)
	}
	defer conn.Close()
	fmt.Fprintln(conn, "stall")
	go func() {
		waitUntilReading()
		conn.Cancel()
	}()
	if _, err = conn.Read(make([]byte, 1)); err != nil {
		return failed(err)
	}
	return said{"outcome": "served"}
}

func timeout(host string, port uint16, more ...string) said {
	ms, _ := strconv.Atoi(more[0])
	conn, err := store.Dial(host, port, nil)
	if err != nil {
		return failed(err)
	}
	defer conn.Close()
	fmt.Fprintln(conn, "stall")
	started := time.Now()
	conn.SetReadDeadline(started.Add(time.Duration(ms) * time.Millisecond))
	_, err = conn.Read(make([]byte, 1))
	var network net.Error
	if !errors.As(err, &network) || !network.Timeout() {
		return said{"outcome": "failed", "name": "no timeout", "message": fmt.Sprint(err)}
	}
	return said{"outcome": "failed", "name": "TRUST_ERR_TIMEOUT", "message": err.Error(),
		"ms": time.Since(started).Milliseconds()}
}

func connectTimeout(host string, port uint16, more ...string) said {
	ms, _ := strconv.Atoi(more[0])
	started := time.Now()
	_, err := store.Dial(host, port,
		&trust.Config{ConnectTimeout: time.Duration(ms) * time.Millisecond})
	if err == nil {
		return said{"outcome": "served"}
	}
	answer := failed(err)
	answer["ms"] = time.Since(started).Milliseconds()
	return answer
}

// dialContext ends a dial by its context.
func dialContext(host string, port uint16, _ ...string) said {
	ctx, end := context.WithCancel(context.Background())
	time.AfterFunc(200*time.Millisecond, end)
	_, err := store.DialContext(ctx, host, port, nil)
	if errors.Is(err, context.Canceled) {
		return said{"outcome": "cancelled"}
	}
	return said{"outcome": "failed", "name": "no cancellation", "message": fmt.Sprint(err)}
}

func parallel(host string, port uint16, more ...string) said {
	count, _ := strconv.Atoi(more[0])
	var (
		mu     sync.Mutex
		all    sync.WaitGroup
		served int
	)
	for index := 0; index < count; index++ {
		all.Add(1)
		go func() {
			defer all.Done()
			if get(host, port)["body"] == "served\n" {
				mu.Lock()
				served++
				mu.Unlock()
			}
		}()
	}
	all.Wait()
	return said{"outcome": "served", "count": served}
}

func pinned(host string, port uint16, more ...string) said {
	conn, err := store.Dial(host, port, &trust.Config{Pins: more, RequirePin: true})
	if err != nil {
		return failed(err)
	}
	conn.Close()
	return said{"outcome": "served"}
}

func fds(string, uint16, ...string) said {
	found, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return failed(err)
	}
	return said{"outcome": "done", "count": len(found)}
}

func main() {
	var err error
	if store, err = trust.Open(""); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	client = &http.Client{Transport: store.Transport(nil)}
	commands := map[string]func(string, uint16, ...string) said{"get": get, "pooled": pooled,
		"native": native, "forget": forget, "echo": echo, "read": read, "cancel": cancel,
		"timeout": timeout, "connect-timeout": connectTimeout, "dial-context": dialContext,
		"parallel": parallel, "pinned": pinned, "fds": fds}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := append(strings.Fields(lines.Text()), "", "0")
		port, _ := strconv.Atoi(words[2])
		answer, _ := json.Marshal(commands[words[0]](words[1], uint16(port),
			words[min(3, len(words)-2):len(words)-2]...))
		fmt.Println(string(answer))
	}
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}
