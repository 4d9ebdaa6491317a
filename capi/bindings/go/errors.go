package trust

// #include <trust.h>
import "C"

import (
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// Status is a number of trust.h. It serves as a target of errors.Is:
//
//	if errors.Is(err, trust.PinMismatch) { … }
type Status int32

const (
	Argument      Status = C.TRUST_ERR_ARGUMENT
	State         Status = C.TRUST_ERR_STATE
	VersionDiffer Status = C.TRUST_ERR_VERSION
	StoreMissing  Status = C.TRUST_ERR_STORE_MISSING
	StoreInvalid  Status = C.TRUST_ERR_STORE_INVALID
	StoreAccess   Status = C.TRUST_ERR_STORE_ACCESS
	Resolve       Status = C.TRUST_ERR_RESOLVE
	Connect       Status = C.TRUST_ERR_CONNECT
	Timeout       Status = C.TRUST_ERR_TIMEOUT
	IO            Status = C.TRUST_ERR_IO
	Cancelled     Status = C.TRUST_ERR_CANCELLED
	TLS           Status = C.TRUST_ERR_TLS
	Truncated     Status = C.TRUST_ERR_TRUNCATED // data may be missing; also io.ErrUnexpectedEOF
	UnknownIssuer Status = C.TRUST_ERR_UNKNOWN_ISSUER
	SelfSigned    Status = C.TRUST_ERR_SELF_SIGNED
	Expired       Status = C.TRUST_ERR_EXPIRED
	NotYetValid   Status = C.TRUST_ERR_NOT_YET_VALID
	NameMismatch  Status = C.TRUST_ERR_NAME_MISMATCH
	PinMismatch   Status = C.TRUST_ERR_PIN_MISMATCH
	PinMissing    Status = C.TRUST_ERR_PIN_MISSING
	Distrusted    Status = C.TRUST_ERR_DISTRUSTED
	BadChain      Status = C.TRUST_ERR_BAD_CHAIN
	Weak          Status = C.TRUST_ERR_WEAK
	OutOfScope    Status = C.TRUST_ERR_OUT_OF_SCOPE
	Memory        Status = C.TRUST_ERR_MEMORY
	Internal      Status = C.TRUST_ERR_INTERNAL
)

// String is the constant's name: "TRUST_ERR_EXPIRED".
func (s Status) String() string { return C.GoString(C.trust_status_name(C.trust_status(s))) }

func (s Status) Error() string { return s.String() }

// Untrusted says that the peer was reached but is not trusted.
func (s Status) Untrusted() bool { return C.trust_status_is_untrusted(C.trust_status(s)) == 1 }

// Error is why a call failed.
type Error struct {
	Status  Status
	Message string // one sentence that names the host, certificate or file
	Hint    string // what to do about it, for example a command line; "" if nothing helps
	Errno   syscall.Errno
	Alert   int   // of TLS; 0 if none
	Peer    *Peer // what an untrusted peer presented, else nil
}

// Error is the message, and below it the hint if there is one.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "\nhint: " + e.Hint
}

func (e *Error) Is(target error) bool {
	switch target {
	case io.ErrUnexpectedEOF:
		return e.Status == Truncated
	case os.ErrDeadlineExceeded:
		return e.Status == Timeout
	}
	status, ok := target.(Status)
	return ok && status == e.Status
}

// Timeout and Temporary make it a net.Error.
func (e *Error) Timeout() bool   { return e.Status == Timeout }
func (e *Error) Temporary() bool { return e.Status == Timeout }

func (e *Error) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// taken makes an error of what a failed call gave, and frees that.
func taken(status C.trust_status, failure *C.trust_error) *Error {
	if failure == nil {
		return &Error{Status: Status(status), Message: Status(status).String()}
	}
	defer C.trust_error_free(failure)
	made := &Error{Status: Status(status),
		Message: C.GoString(C.trust_error_message(failure)),
		Hint:    C.GoString(C.trust_error_hint(failure)),
		Errno:   syscall.Errno(C.trust_error_errno(failure)),
		Alert:   int(C.trust_error_tls_alert(failure))}
	if peer := C.trust_error_peer(failure); peer != nil {
		made.Peer = copied(peer)
	}
	return made
}

// TrustedBy says what made a peer trusted.
type TrustedBy int32

const (
	ByNothing    TrustedBy = C.TRUST_BY_NOTHING
	BySystemRoot TrustedBy = C.TRUST_BY_SYSTEM_ROOT
	ByAddedRoot  TrustedBy = C.TRUST_BY_ADDED_ROOT
	ByAddedLeaf  TrustedBy = C.TRUST_BY_ADDED_LEAF
)

// PinStatus says how a peer stands to the pins.
type PinStatus int32

const (
	PinNone       PinStatus = C.TRUST_PIN_NONE
	PinMatched    PinStatus = C.TRUST_PIN_MATCH
	PinMismatched PinStatus = C.TRUST_PIN_MISMATCH
	PinLapsed     PinStatus = C.TRUST_PIN_LAPSED
	PinReported   PinStatus = C.TRUST_PIN_REPORTED
)

// Peer is what a peer presented and how it was judged. A copy: it depends on nothing.
type Peer struct {
	Host         string
	Port         uint16
	TrustedBy    TrustedBy
	PinStatus    PinStatus
	Generation   uint64 // of the store that judged
	Fingerprint  string // of the leaf: 64 hex digits
	Pin          string // of the leaf: "sha256/<base64>"
	Subject      string
	Issuer       string
	NotBefore    time.Time
	NotAfter     time.Time
	PathNotAfter time.Time // when anything in the path first ends
	Path         [][]byte  // DER, leaf first; as presented if it could not be verified
	JSON         string    // as the REST API writes it
}

func copied(peer *C.trust_peer) *Peer {
	made := &Peer{Host: C.GoString(C.trust_peer_host(peer)),
		Port:         uint16(C.trust_peer_port(peer)),
		TrustedBy:    TrustedBy(C.trust_peer_trusted_by(peer)),
		PinStatus:    PinStatus(C.trust_peer_pin_status(peer)),
		Generation:   uint64(C.trust_peer_generation(peer)),
		Fingerprint:  C.GoString(C.trust_peer_fingerprint(peer)),
		Pin:          C.GoString(C.trust_peer_pin(peer)),
		Subject:      C.GoString(C.trust_peer_subject(peer)),
		Issuer:       C.GoString(C.trust_peer_issuer(peer)),
		NotBefore:    time.Unix(int64(C.trust_peer_not_before(peer)), 0),
		NotAfter:     time.Unix(int64(C.trust_peer_not_after(peer)), 0),
		PathNotAfter: time.Unix(int64(C.trust_peer_path_not_after(peer)), 0),
		JSON:         C.GoString(C.trust_peer_json(peer))}
	for index := C.size_t(0); index < C.trust_peer_cert_count(peer); index++ {
		var length C.size_t
		der := C.trust_peer_cert_der(peer, index, &length)
		made.Path = append(made.Path, C.GoBytes(unsafe.Pointer(der), C.int(length)))
	}
	return made
}
