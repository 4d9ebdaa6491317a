package trust

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
)

// Transport is for an http.Client: https requests go over connections of the store, HTTP/1.1 and
// kept alive. One that was idle is judged again before it is used. It uses no proxy; one that is
// set on it is refused for https.
func (s *Store) Transport(config *Config) *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.ForceAttemptHTTP2 = false
	transport.DialTLSContext = func(ctx context.Context, _, address string) (net.Conn, error) {
		host, port, err := split(address)
		if err != nil {
			return nil, err
		}
		s.Refresh() // or the first Write would find what the handshake did not know yet
		conn, err := s.DialContext(ctx, host, port, config)
		if err != nil {
			return nil, err
		}
		return &keptAlive{conn}, nil
	}
	// Behind a proxy net/http would make a connection of its own, which the store never sees.
	transport.TLSClientConfig = &tls.Config{
		InsecureSkipVerify: true,
		VerifyConnection: func(tls.ConnectionState) error {
			return errors.New("trust: https through a proxy: dial it, and use Store.Client over it")
		},
	}
	return transport
}

// keptAlive judges again before it writes, if something was published since.
type keptAlive struct{ *Conn }

func (k *keptAlive) Write(data []byte) (int, error) {
	if err := k.JudgeAgain(); err != nil {
		return 0, err // net/http closes it, and asks again over a new one, whose refusal it tells
	}
	return k.Conn.Write(data)
}

// TLSConfig is for programs that keep to crypto/tls, HTTP/2 among them: the store judges in place
// of Go's own verification, resumed sessions included. It holds for this host and port only;
// change what you like but VerifyConnection and InsecureSkipVerify, which go together.
func (s *Store) TLSConfig(host string, port uint16, config *Config) *tls.Config {
	made := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if config != nil {
		made.NextProtos = config.ALPN
		if config.ServerName != "" {
			made.ServerName = config.ServerName
		}
		if config.MinTLS == 13 {
			made.MinVersion = tls.VersionTLS13
		}
	}
	made.InsecureSkipVerify = true
	made.VerifyConnection = func(state tls.ConnectionState) error {
		var chain []byte
		for _, certificate := range state.PeerCertificates {
			chain = append(chain, certificate.Raw...)
		}
		_, err := s.Verify(host, port, chain, config)
		return err
	}
	return made
}

func split(address string) (string, uint16, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	return host, uint16(port), err
}
