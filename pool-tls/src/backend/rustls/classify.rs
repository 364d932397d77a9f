//! From an error of rustls to the kind a caller can branch on.

use std::io;

use ::rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

use crate::{CertificateProblem, TlsError, TlsErrorKind};

/// What went wrong in a handshake; tokio-rustls wraps the error of rustls in one of `io`.
pub(super) fn handshake_error(error: io::Error) -> TlsError {
    match error.downcast::<Error>() {
        Ok(error) => TlsError::new(protocol_kind(&error)).with_source(error),
        Err(error) => TlsError::new(io_kind(error.kind())).with_source(error),
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

fn protocol_kind(error: &Error) -> TlsErrorKind {
    match error {
        Error::InvalidCertificate(error) => TlsErrorKind::Certificate(certificate_problem(error)),
        Error::NoCertificatesPresented => TlsErrorKind::Certificate(CertificateProblem::Other),
        Error::AlertReceived(AlertDescription::NoApplicationProtocol)
        | Error::NoApplicationProtocol => TlsErrorKind::NoCommonProtocol,
        Error::AlertReceived(_) => TlsErrorKind::PeerAlert,
        // The first bytes of a record are its type and version: letters are neither.
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => TlsErrorKind::NotTls,
        Error::PeerIncompatible(_) => TlsErrorKind::Incompatible,
        Error::UnsupportedNameType => TlsErrorKind::ServerName,
        _ => TlsErrorKind::Other,
    }
}

fn certificate_problem(error: &CertificateError) -> CertificateProblem {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            CertificateProblem::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateProblem::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateProblem::WrongName
        }
        CertificateError::UnknownIssuer => CertificateProblem::UnknownIssuer,
        CertificateError::Revoked => CertificateProblem::Revoked,
        _ => CertificateProblem::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_a_close_and_other_transport_errors_are_not() {
        let kind = |kind: io::ErrorKind| handshake_error(kind.into()).kind();
        assert_eq!(kind(io::ErrorKind::ConnectionReset), TlsErrorKind::Closed);
        assert_eq!(kind(io::ErrorKind::HostUnreachable), TlsErrorKind::Io);
    }

    #[test]
    fn a_revoked_certificate_is_named_so() {
        let error = Error::InvalidCertificate(CertificateError::Revoked);
        let error = handshake_error(io::Error::new(io::ErrorKind::InvalidData, error));
        let revoked = TlsErrorKind::Certificate(CertificateProblem::Revoked);
        assert_eq!(error.kind(), revoked);
        assert_eq!(error.to_string(), "certificate has been revoked");
    }
}
