package trust

// #include <stdlib.h>
// #include <trust.h>
import "C"

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

const chunk = 64 * 1024

// How long Close waits to say goodbye to a peer that does not read.
const farewell = 5 * time.Second

var past = time.Unix(1, 0)

// Conn is a verified TLS connection over any net.Conn. Nothing moves before the peer was verified.
// Read returns io.EOF when the peer closed properly, and a Truncated error when it just went away.
// Any goroutine may read, write, close or cancel at any moment.
type Conn struct {
	raw    net.Conn
	store  *Store
	host   string
	port   uint16
	config *Config

	mu     sync.Mutex // around every call of the library, none of which waits
	handle *C.trust_conn
	judged atomic.Uint64 // generation

	handshaking   sync.Mutex
	handshakeDone bool
	handshakeErr  error
	peer          *Peer

	reading  sync.Mutex
	incoming []byte // read from raw
	left     []byte // the part of incoming that the library did not take yet

	writing    sync.Mutex // taking encrypted bytes and writing them to raw, in that order
	outgoing   []byte
	writeErr   error       // for ever: after half a record nothing can follow
	hasToFlush atomic.Bool // somebody may have left encrypted bytes in the library

	cancelled atomic.Bool
	closed    atomic.Bool
}

// Dial connects and verifies; the configuration's ConnectTimeout holds.
func (s *Store) Dial(host string, port uint16, config *Config) (*Conn, error) {
	return s.DialContext(context.Background(), host, port, config)
}

// DialContext is Dial that ends when the context does.
func (s *Store) DialContext(ctx context.Context, host string, port uint16,
	config *Config) (*Conn, error) {
	conn, err := s.start(host, port, config) // first: nothing is dialled for what is no host
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, config.connectTimeout())
	defer cancel()
	address := net.JoinHostPort(host, strconv.Itoa(int(port)))
	if conn.raw, err = new(net.Dialer).DialContext(limited, "tcp", address); err == nil {
		if err = conn.HandshakeContext(limited); err == nil {
			return conn, nil
		}
		conn.Close()
	} else {
		C.trust_conn_free(conn.handle)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var network net.Error
	if limited.Err() != nil || (errors.As(err, &network) && network.Timeout()) {
		return nil, &Error{Status: Timeout, Message: "connecting to " + address +
			" took longer than " + config.connectTimeout().String()}
	}
	return nil, dialError(err, host, address)
}

// dialError gives what the network said a status.
func dialError(err error, host, address string) error {
	var ours *Error
	if errors.As(err, &ours) {
		return err
	}
	var lookup *net.DNSError
	if errors.As(err, &lookup) {
		return &Error{Status: Resolve, Message: "cannot resolve " + host + ": " + lookup.Err}
	}
	made := &Error{Status: Connect, Message: "cannot connect to " + address + ": " + err.Error()}
	errors.As(err, &made.Errno)
	return made
}

// Client begins TLS over a connection, for example past a proxy; the first Read, Write or
// Handshake does the handshake. It owns raw from here on, unless it fails.
func (s *Store) Client(raw net.Conn, host string, port uint16, config *Config) (*Conn, error) {
	conn, err := s.start(host, port, config)
	if err != nil {
		return nil, err
	}
	conn.raw = raw
	return conn, nil
}

func (s *Store) start(host string, port uint16, config *Config) (*Conn, error) {
	name, err := cText(host, "host")
	if err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(name))
	settings, err := config.made()
	if err != nil {
		return nil, err
	}
	defer C.trust_config_free(settings)
	conn := &Conn{store: s, host: host, port: port, config: config}
	err = s.use(func(store *C.trust_store) error {
		var failure *C.trust_error
		status := C.trust_conn_start_memory(store, name, C.uint16_t(port), settings, &conn.handle,
			&failure)
		if status < 0 {
			return taken(status, failure)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// call runs one call of the library. Its status is zero or "not now".
func (c *Conn) call(f func(*C.trust_conn, **C.trust_error) C.trust_status) (C.trust_status, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handle == nil {
		return 0, net.ErrClosed
	}
	var failure *C.trust_error
	status := f(c.handle, &failure)
	c.hasToFlush.Store(true)
	if status < 0 {
		return status, taken(status, failure)
	}
	return status, nil
}

// flush sends what the library wants sent. It does not wait for a writer: that one will do it.
func (c *Conn) flush() error {
	for c.hasToFlush.Load() && c.writing.TryLock() {
		err := c.flushLocked()
		c.writing.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// flushLocked wants c.writing.
func (c *Conn) flushLocked() error {
	if c.outgoing == nil {
		c.outgoing = make([]byte, chunk)
	}
	for c.writeErr == nil {
		c.hasToFlush.Store(false)
		var length C.size_t
		c.mu.Lock()
		if c.handle == nil {
			c.mu.Unlock()
			return net.ErrClosed
		}
		var failure *C.trust_error
		status := C.trust_conn_drain(c.handle, unsafe.Pointer(&c.outgoing[0]), chunk, &length,
			&failure)
		c.mu.Unlock()
		if status < 0 {
			return taken(status, failure)
		}
		if length == 0 {
			return nil
		}
		_, c.writeErr = c.raw.Write(c.outgoing[:length])
	}
	return c.writeErr
}

// receive wants c.reading. It hands what raw has to the library, and waits for it if need be.
func (c *Conn) receive() error {
	if len(c.left) == 0 {
		if c.incoming == nil {
			c.incoming = make([]byte, chunk)
		}
		length, err := c.raw.Read(c.incoming)
		c.left = c.incoming[:length]
		if length == 0 && err == io.EOF {
			return c.feed(nil)
		}
		if length == 0 && err != nil {
			if c.cancelled.Load() {
				return nil // the library says it in its own words
			}
			return err
		}
	}
	return c.feed(c.left)
}

func (c *Conn) feed(data []byte) error {
	start, length := pointer(data)
	var used C.size_t
	_, err := c.call(func(conn *C.trust_conn, failure **C.trust_error) C.trust_status {
		return C.trust_conn_feed(conn, start, length, &used, failure)
	})
	if len(data) > 0 {
		c.left = data[used:]
	}
	return err
}

// Handshake verifies the peer; Read and Write do it by themselves.
func (c *Conn) Handshake() error { return c.HandshakeContext(context.Background()) }

// HandshakeContext ends when the context does; the connection is of no use then.
func (c *Conn) HandshakeContext(ctx context.Context) error {
	c.handshaking.Lock()
	defer c.handshaking.Unlock()
	if c.handshakeDone {
		return c.handshakeErr
	}
	finished := make(chan struct{})
	interrupted := make(chan error, 1)
	go func() {
		select {
		case <-ctx.Done():
			c.Cancel()
			interrupted <- ctx.Err()
		case <-finished:
			interrupted <- nil
		}
	}()
	err := c.handshake()
	close(finished)
	if ended := <-interrupted; ended != nil {
		err = ended
	}
	c.handshakeDone, c.handshakeErr = true, err
	return err
}

func (c *Conn) handshake() error {
	c.reading.Lock()
	defer c.reading.Unlock()
	for {
		status, err := c.call(func(conn *C.trust_conn, failure **C.trust_error) C.trust_status {
			return C.trust_conn_handshake(conn, failure)
		})
		flushed := c.flush() // also after a failure: it may be an alert
		if err != nil {
			return err
		}
		if flushed != nil {
			return flushed
		}
		if status == C.TRUST_OK {
			return c.verified()
		}
		if err := c.receive(); err != nil {
			return err
		}
	}
}

func (c *Conn) verified() error {
	var found *C.trust_peer
	_, err := c.call(func(conn *C.trust_conn, failure **C.trust_error) C.trust_status {
		return C.trust_conn_peer(conn, &found, failure)
	})
	if err != nil {
		return err
	}
	defer C.trust_peer_free(found)
	c.peer = copied(found)
	c.judged.Store(c.peer.Generation)
	return nil
}

// Read reads at least one byte, as io.Reader says.
func (c *Conn) Read(data []byte) (int, error) {
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	if len(data) == 0 {
		return 0, nil
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	for {
		start, capacity := pointer(data)
		var length C.size_t
		status, err := c.call(func(conn *C.trust_conn, failure **C.trust_error) C.trust_status {
			return C.trust_conn_read(conn, start, capacity, &length, failure)
		})
		flushed := c.flush()
		switch {
		case err != nil:
			return 0, err
		case status == C.TRUST_OK:
			return int(length), nil
		case status == C.TRUST_EOF:
			return 0, io.EOF
		case flushed != nil:
			return 0, flushed
		}
		if err := c.receive(); err != nil {
			return 0, err
		}
	}
}

// Write writes all of it. After a deadline passed within it no more can be written.
func (c *Conn) Write(data []byte) (int, error) {
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	written, err := c.write(data)
	c.flush() // what a reader left while we were writing
	return written, err
}

func (c *Conn) write(data []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	written := 0
	for written < len(data) {
		if c.writeErr != nil {
			return written, c.writeErr
		}
		end := written + chunk
		if end > len(data) {
			end = len(data)
		}
		start, size := pointer(data[written:end])
		var length C.size_t
		_, err := c.call(func(conn *C.trust_conn, failure **C.trust_error) C.trust_status {
			return C.trust_conn_write(conn, start, size, &length, failure)
		})
		if err != nil {
			return written, err
		}
		if err := c.flushLocked(); err != nil {
			return written, err
		}
		if length == 0 { // nothing was in the way any more
			return written, io.ErrNoProgress
		}
		written += int(length)
	}
	return written, nil
}

// CloseWrite tells the peer that no more will be sent; reading may go on.
func (c *Conn) CloseWrite() error {
	if err := c.Handshake(); err != nil {
		return err
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.sayGoodbye()
}

// sayGoodbye wants c.writing.
func (c *Conn) sayGoodbye() error {
	_, err := c.call(func(conn *C.trust_conn, failure **C.trust_error) C.trust_status {
		return C.trust_conn_close(conn, failure)
	})
	if err != nil {
		return err
	}
	return c.flushLocked()
}

// Close closes the connection below, after a goodbye if the peer takes it.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	if c.writing.TryLock() {
		c.raw.SetWriteDeadline(time.Now().Add(farewell))
		c.sayGoodbye()
		c.writing.Unlock()
	}
	err := c.raw.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	C.trust_conn_free(c.handle)
	c.handle = nil
	return err
}

// Cancel makes every call on this connection, now and from now on, fail with Cancelled.
func (c *Conn) Cancel() {
	c.cancelled.Store(true)
	c.mu.Lock()
	if c.handle != nil {
		C.trust_conn_cancel(c.handle)
	}
	c.mu.Unlock()
	c.raw.SetDeadline(past) // wakes who waits
}

func (c *Conn) LocalAddr() net.Addr                { return c.raw.LocalAddr() }
func (c *Conn) RemoteAddr() net.Addr               { return c.raw.RemoteAddr() }
func (c *Conn) SetReadDeadline(at time.Time) error { return c.raw.SetReadDeadline(at) }

// SetDeadline and SetWriteDeadline: see Write.
func (c *Conn) SetDeadline(at time.Time) error      { return c.raw.SetDeadline(at) }
func (c *Conn) SetWriteDeadline(at time.Time) error { return c.raw.SetWriteDeadline(at) }

// Peer is who was verified; nil before the handshake.
func (c *Conn) Peer() *Peer {
	c.handshaking.Lock()
	defer c.handshaking.Unlock()
	return c.peer
}

// JudgeAgain says whether the peer would be trusted now, for a connection that was idle. It costs
// next to nothing while nothing new was published.
func (c *Conn) JudgeAgain() error {
	peer := c.Peer()
	if peer == nil {
		return &Error{Status: State, Message: "the handshake with " + c.host + " is not complete"}
	}
	if err := c.store.Refresh(); err != nil {
		return err
	}
	generation := c.store.Generation()
	if generation == c.judged.Load() {
		return nil
	}
	var chain []byte
	for _, certificate := range peer.Path {
		chain = append(chain, certificate...)
	}
	if _, err := c.store.Verify(c.host, c.port, chain, c.config); err != nil {
		return err
	}
	c.judged.Store(generation)
	return nil
}

func (c *Conn) fact(f func(*C.trust_conn) *C.char) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return C.GoString(f(c.handle))
}

// TLSVersion is "TLSv1.3" for example; this and the next are "" before the handshake.
func (c *Conn) TLSVersion() string {
	return c.fact(func(conn *C.trust_conn) *C.char { return C.trust_conn_tls_version(conn) })
}

func (c *Conn) Cipher() string {
	return c.fact(func(conn *C.trust_conn) *C.char { return C.trust_conn_cipher(conn) })
}

// ALPN is the protocol agreed on, "" if none was.
func (c *Conn) ALPN() string {
	return c.fact(func(conn *C.trust_conn) *C.char { return C.trust_conn_alpn(conn) })
}

// Resumed says whether a TLS session was resumed.
func (c *Conn) Resumed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return C.trust_conn_resumed(c.handle) == 1
}
