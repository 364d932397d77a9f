//! From an error of BoringSSL to the kind a caller can branch on.

use std::error::Error;
use std::io;

use ::boring::error::ErrorStack;
use ::boring::ssl;
use ::boring::x509::X509VerifyError;
use boring_sys as sys;
use tokio_boring::HandshakeError;

use crate::{BoxedIo, CertificateProblem, TlsError, TlsErrorKind};

/// A connection that could not be prepared: nothing was sent.
pub(super) fn setup_error(error: ErrorStack) -> TlsError {
    TlsError::new(TlsErrorKind::Other).with_source(error)
}

/// What went wrong in a handshake.
pub(super) fn handshake_error(error: &HandshakeError<BoxedIo>) -> TlsError {
    let inner = error.source().and_then(<dyn Error>::downcast_ref);
    let Some(inner) = inner else {
        return TlsError::new(TlsErrorKind::Other).with_source(error.to_string());
    };
    let inner: &ssl::Error = inner;
    if let Some(error) = inner.io_error() {
        return TlsError::new(io_kind(error.kind())).with_source(error.to_string());
    }
    let Some(stack) = inner.ssl_error() else {
        // BoringSSL has nothing to say about a stream that ends.
        return TlsError::new(TlsErrorKind::Closed);
    };
    let kind = stack
        .errors()
        .iter()
        .filter_map(|error| error.library_reason(sys::ERR_LIB_SSL))
        .find_map(protocol_kind)
        .unwrap_or(TlsErrorKind::Other);
    let refused = error.ssl().and_then(|ssl| ssl.verify_result().err());
    match (kind, refused) {
        (TlsErrorKind::Certificate(_), Some(reason)) => {
            let kind = TlsErrorKind::Certificate(certificate_problem(reason));
            TlsError::new(kind).with_source(reason)
        }
        _ => TlsError::new(kind).with_source(stack.clone()),
    }
}

fn io_kind(kind: io::ErrorKind) -> TlsErrorKind {
    match kind {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => TlsErrorKind::Closed,
        _ => TlsErrorKind::Io,
    }
}

/// `None` for a reason that says nothing to a caller.
fn protocol_kind(reason: i32) -> Option<TlsErrorKind> {
    Some(match reason {
        sys::SSL_R_CERTIFICATE_VERIFY_FAILED => {
            TlsErrorKind::Certificate(CertificateProblem::Other)
        }
        sys::SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL => TlsErrorKind::NoCommonProtocol,
        // The reasons of alerts are their numbers and a thousand.
        1000.. => TlsErrorKind::PeerAlert,
        // The first bytes of a record are its type and version: letters are neither.
        sys::SSL_R_WRONG_VERSION_NUMBER
        | sys::SSL_R_HTTP_REQUEST
        | sys::SSL_R_HTTPS_PROXY_REQUEST => TlsErrorKind::NotTls,
        // Either the peer is too old, or it took something that a hello has only for show: a value of GREASE.
        sys::SSL_R_UNSUPPORTED_PROTOCOL
        | sys::SSL_R_UNKNOWN_CIPHER_RETURNED
        | sys::SSL_R_WRONG_CIPHER_RETURNED
        | sys::SSL_R_WRONG_CURVE
        | sys::SSL_R_WRONG_SIGNATURE_TYPE
        | sys::SSL_R_WRONG_SSL_VERSION
        | sys::SSL_R_UNKNOWN_CERT_COMPRESSION_ALG => TlsErrorKind::Incompatible,
        _ => return None,
    })
}

fn certificate_problem(error: X509VerifyError) -> CertificateProblem {
    match error {
        X509VerifyError::CERT_HAS_EXPIRED => CertificateProblem::Expired,
        X509VerifyError::CERT_NOT_YET_VALID => CertificateProblem::NotYetValid,
        X509VerifyError::HOSTNAME_MISMATCH | X509VerifyError::IP_ADDRESS_MISMATCH => {
            CertificateProblem::WrongName
        }
        X509VerifyError::UNABLE_TO_GET_ISSUER_CERT
        | X509VerifyError::UNABLE_TO_GET_ISSUER_CERT_LOCALLY
        | X509VerifyError::UNABLE_TO_VERIFY_LEAF_SIGNATURE
        | X509VerifyError::DEPTH_ZERO_SELF_SIGNED_CERT
        | X509VerifyError::SELF_SIGNED_CERT_IN_CHAIN
        | X509VerifyError::CERT_UNTRUSTED => CertificateProblem::UnknownIssuer,
        X509VerifyError::CERT_REVOKED => CertificateProblem::Revoked,
        _ => CertificateProblem::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_a_close_and_other_transport_errors_are_not() {
        assert_eq!(
            io_kind(io::ErrorKind::ConnectionReset),
            TlsErrorKind::Closed
        );
        assert_eq!(io_kind(io::ErrorKind::HostUnreachable), TlsErrorKind::Io);
    }

    #[test]
    fn a_revoked_certificate_is_named_so() {
        let problem = certificate_problem(X509VerifyError::CERT_REVOKED);
        assert_eq!(problem, CertificateProblem::Revoked);
    }
}
