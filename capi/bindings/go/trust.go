// Package trust makes TLS connections that this machine's trust store verifies.
//
// The daemon (trustd) decides what the machine trusts. This package makes connections that obey it;
// nothing in it turns verification off or adds trust. It needs libtrust and its header, found by
// the compiler as usual (CGO_CFLAGS and CGO_LDFLAGS otherwise).
//
//	store, err := trust.Open("")
//	client := &http.Client{Transport: store.Transport(nil)}
//	answer, err := client.Get("https://api.dev.test/")
package trust

// #cgo LDFLAGS: -ltrust
// #include <stdlib.h>
// #include <trust.h>
//
// static trust_status check(trust_error **err) {
//     return trust_check_version(TRUST_VERSION_NUMBER, err);
// }
import "C"

import (
	"runtime"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// Version is the library's, and that of the OpenSSL it runs on.
func Version() string { return C.GoString(C.trust_version()) }

// Store is the published store. It notices what is published, at most a second late, and may be
// used from any number of goroutines.
type Store struct {
	mu     sync.RWMutex
	handle *C.trust_store
}

// Open opens a directory; "" is $TRUSTD_STORE, else the user's store, else the machine's.
func Open(directory string) (*Store, error) {
	var failure *C.trust_error
	if status := C.check(&failure); status < 0 {
		return nil, taken(status, failure)
	}
	var path *C.char
	if directory != "" {
		var err error
		if path, err = cText(directory, "directory"); err != nil {
			return nil, err
		}
		defer C.free(unsafe.Pointer(path))
	}
	store := new(Store)
	if status := C.trust_store_open(path, &store.handle, &failure); status < 0 {
		return nil, taken(status, failure)
	}
	runtime.SetFinalizer(store, (*Store).Close)
	return store, nil
}

// Close gives the store back. Connections that were made through it live on.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	C.trust_store_free(s.handle)
	s.handle = nil
	runtime.SetFinalizer(s, nil)
	return nil
}

// use calls f with the handle, which lives until f returns.
func (s *Store) use(f func(*C.trust_store) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.handle == nil {
		return &Error{Status: State, Message: "the store is closed"}
	}
	return f(s.handle)
}

// Refresh looks for newly published trust now.
func (s *Store) Refresh() error {
	return s.use(func(store *C.trust_store) error {
		var failure *C.trust_error
		if status := C.trust_store_refresh(store, &failure); status < 0 {
			return taken(status, failure)
		}
		return nil
	})
}

// Generation grows by at least one with every publication.
func (s *Store) Generation() (generation uint64) {
	s.use(func(store *C.trust_store) error {
		generation = uint64(C.trust_store_generation(store))
		return nil
	})
	return generation
}

// Directory is where the store is published.
func (s *Store) Directory() (path string) {
	s.use(func(store *C.trust_store) error {
		path = C.GoString(C.trust_store_directory(store))
		return nil
	})
	return path
}

// BundlePath is the CA bundle in PEM, for tools that want a file.
func (s *Store) BundlePath() (path string) {
	s.use(func(store *C.trust_store) error {
		path = C.GoString(C.trust_store_bundle_path(store))
		return nil
	})
	return path
}

// Environment holds, as "NAME=value", what makes other programs trust the same.
func (s *Store) Environment() (found []string) {
	s.use(func(store *C.trust_store) error {
		for index := C.size_t(0); ; index++ {
			name := C.trust_store_env_name(store, index)
			if name == nil {
				return nil
			}
			found = append(found,
				C.GoString(name)+"="+C.GoString(C.trust_store_env_value(store, index)))
		}
	})
	return found
}

// Verify judges a chain, leaf first: PEM, or DER concatenated. Port 0 means pins for any port.
func (s *Store) Verify(host string, port uint16, chain []byte, config *Config) (*Peer, error) {
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
	var peer *Peer
	err = s.use(func(store *C.trust_store) error {
		var found *C.trust_peer
		var failure *C.trust_error
		start, length := pointer(chain)
		status := C.trust_verify(store, name, C.uint16_t(port), start, length, settings, &found,
			&failure)
		if status < 0 {
			return taken(status, failure)
		}
		defer C.trust_peer_free(found)
		peer = copied(found)
		return nil
	})
	return peer, err
}

// Pin is one of a host and port, as published.
type Pin struct {
	Pin      string
	Note     string
	Expires  time.Time // zero: never
	Enforced bool
	Backup   bool
}

// Pins are those for a host and port as published now.
func (s *Store) Pins(host string, port uint16) ([]Pin, error) {
	name, err := cText(host, "host")
	if err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(name))
	var found []Pin
	err = s.use(func(store *C.trust_store) error {
		var pins *C.trust_pins
		var failure *C.trust_error
		status := C.trust_pins_get(store, name, C.uint16_t(port), &pins, &failure)
		if status < 0 {
			return taken(status, failure)
		}
		defer C.trust_pins_free(pins)
		for index := C.size_t(0); index < C.trust_pins_count(pins); index++ {
			pin := Pin{Pin: C.GoString(C.trust_pins_pin(pins, index)),
				Note:     C.GoString(C.trust_pins_note(pins, index)),
				Enforced: C.trust_pins_enforced(pins, index) == 1,
				Backup:   C.trust_pins_backup(pins, index) == 1}
			if end := C.trust_pins_expires(pins, index); end != 0 {
				pin.Expires = time.Unix(int64(end), 0)
			}
			found = append(found, pin)
		}
		return nil
	})
	return found, err
}

// Config says how to connect; nil is the defaults. It narrows what the store trusts and cannot
// widen it.
type Config struct {
	// ConnectTimeout holds for name resolution, TCP and handshake together. 0: ten seconds.
	ConnectTimeout time.Duration
	// ServerName is verified, announced and looked up in place of the host that is dialled.
	ServerName string
	// ALPN holds protocols in order of preference.
	ALPN []string
	// MinTLS is 12, the default and the least, or 13.
	MinTLS int
	// ClientCert and ClientKey are a PEM chain, leaf first, and its PEM key.
	ClientCert, ClientKey []byte
	ClientPassword        string
	// Pins are keys of which one must match, besides what the store demands.
	Pins []string
	// RequirePin refuses hosts for which neither the store nor Pins has one.
	RequirePin bool
	// NoResumption makes every handshake a full one.
	NoResumption bool
}

func (c *Config) connectTimeout() time.Duration {
	if c == nil || c.ConnectTimeout == 0 {
		return 10 * time.Second
	}
	return c.ConnectTimeout
}

// made is the library's form, which the caller frees; nil for nil.
func (c *Config) made() (*C.trust_config, error) {
	if c == nil {
		return nil, nil
	}
	config := C.trust_config_new()
	if config == nil {
		return nil, &Error{Status: Memory, Message: "no memory for a configuration"}
	}
	if err := c.fill(config); err != nil {
		C.trust_config_free(config)
		return nil, err
	}
	return config, nil
}

func (c *Config) fill(config *C.trust_config) (err error) {
	var failure *C.trust_error
	set := func(status C.trust_status) {
		if status < 0 && err == nil {
			err = taken(status, failure)
		}
		failure = nil
	}
	text := func(value, what string, use func(*C.char)) {
		converted, failed := cText(value, what)
		if failed != nil {
			err = failed
			return
		}
		use(converted)
		C.free(unsafe.Pointer(converted))
	}
	if c.ServerName != "" {
		text(c.ServerName, "server name", func(name *C.char) {
			set(C.trust_config_set_server_name(config, name, &failure))
		})
	}
	if len(c.ALPN) > 0 {
		text(strings.Join(c.ALPN, ","), "protocol list", func(list *C.char) {
			set(C.trust_config_set_alpn(config, list, &failure))
		})
	}
	if c.MinTLS != 0 {
		set(C.trust_config_set_min_tls(config, C.int32_t(c.MinTLS), &failure))
	}
	if len(c.ClientCert) > 0 || len(c.ClientKey) > 0 {
		chain, chainLength := pointer(c.ClientCert)
		key, keyLength := pointer(c.ClientKey)
		if c.ClientPassword == "" {
			set(C.trust_config_set_client_cert(config, chain, chainLength, key, keyLength, nil,
				&failure))
		} else {
			text(c.ClientPassword, "password", func(password *C.char) {
				set(C.trust_config_set_client_cert(config, chain, chainLength, key, keyLength,
					password, &failure))
			})
		}
	}
	for _, pin := range c.Pins {
		text(pin, "pin", func(pin *C.char) { set(C.trust_config_add_pin(config, pin, &failure)) })
	}
	if c.RequirePin {
		set(C.trust_config_set_require_pin(config, 1, &failure))
	}
	if c.NoResumption {
		set(C.trust_config_set_resumption(config, 0, &failure))
	}
	return err
}

// cText is a copy for C, which the caller frees.
func cText(value, what string) (*C.char, error) {
	if strings.IndexByte(value, 0) >= 0 {
		return nil, &Error{Status: Argument, Message: "the " + what + " contains a NUL character"}
	}
	return C.CString(value), nil
}

func pointer(data []byte) (unsafe.Pointer, C.size_t) {
	if len(data) == 0 {
		return nil, 0
	}
	return unsafe.Pointer(&data[0]), C.size_t(len(data))
}
