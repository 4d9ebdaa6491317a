use crate::text;
use trust_sys as sys;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustedBy {
    Nothing,
    /// A root that the operating system ships.
    SystemRoot,
    /// A CA that someone added to the store.
    AddedRoot,
    /// This very certificate was added.
    AddedLeaf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinStatus {
    None,
    Match,
    Mismatch,
    /// Pins exist but all are past their expiry.
    Lapsed,
    /// Trusted, though a report-only pin did not match.
    Reported,
}

/// What a peer presented and how it was judged. A copy: it depends on nothing. Times are Unix
/// seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub host: String,
    pub port: u16,
    pub trusted_by: TrustedBy,
    pub pin_status: PinStatus,
    /// Of the store that judged.
    pub generation: u64,
    /// Of the leaf: 64 hex digits.
    pub fingerprint: String,
    /// Of the leaf: `sha256/<base64>`.
    pub pin: String,
    pub subject: String,
    pub issuer: String,
    pub not_before: i64,
    pub not_after: i64,
    /// When anything in the path first ends.
    pub path_not_after: i64,
    /// In DER, leaf first; as presented if it could not be verified.
    pub path: Vec<Vec<u8>>,
    /// As the REST API writes it.
    pub json: String,
}

impl Peer {
    /// # Safety
    /// The pointer is null or one of the library's.
    pub(crate) unsafe fn copied(peer: *const sys::trust_peer) -> Peer {
        let path = (0..sys::trust_peer_cert_count(peer)).map(|index| {
            let mut length = 0;
            let start = sys::trust_peer_cert_der(peer, index, &mut length);
            if start.is_null() {
                Vec::new()
            } else {
                std::slice::from_raw_parts(start, length).to_vec()
            }
        });
        Peer {
            host: text(sys::trust_peer_host(peer)),
            port: sys::trust_peer_port(peer),
            trusted_by: match sys::trust_peer_trusted_by(peer) {
                sys::TRUST_BY_SYSTEM_ROOT => TrustedBy::SystemRoot,
                sys::TRUST_BY_ADDED_ROOT => TrustedBy::AddedRoot,
                sys::TRUST_BY_ADDED_LEAF => TrustedBy::AddedLeaf,
                _ => TrustedBy::Nothing,
            },
            pin_status: match sys::trust_peer_pin_status(peer) {
                sys::TRUST_PIN_MATCH => PinStatus::Match,
                sys::TRUST_PIN_MISMATCH => PinStatus::Mismatch,
                sys::TRUST_PIN_LAPSED => PinStatus::Lapsed,
                sys::TRUST_PIN_REPORTED => PinStatus::Reported,
                _ => PinStatus::None,
            },
            generation: sys::trust_peer_generation(peer),
            fingerprint: text(sys::trust_peer_fingerprint(peer)),
            pin: text(sys::trust_peer_pin(peer)),
            subject: text(sys::trust_peer_subject(peer)),
            issuer: text(sys::trust_peer_issuer(peer)),
            not_before: sys::trust_peer_not_before(peer),
            not_after: sys::trust_peer_not_after(peer),
            path_not_after: sys::trust_peer_path_not_after(peer),
            path: path.collect(),
            json: text(sys::trust_peer_json(peer)),
        }
    }

    /// As `copied`, and frees it.
    pub(crate) unsafe fn taken(peer: *mut sys::trust_peer) -> Peer {
        let copy = Peer::copied(peer);
        sys::trust_peer_free(peer);
        copy
    }
}
