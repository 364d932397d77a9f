//! How near BoringSSL's hellos come to a wanted one: measured, and then explained.

use std::error::Error;

use super::classify;
use super::hello::Hello;
use super::settings::Gaps;
use crate::client_hello::ClientHello;
use crate::fidelity::FidelityReport;
use crate::spec::ClientHelloSpec;
use crate::{TlsError, TlsErrorKind};

/// Hellos that are drawn to see what varies: for eight in the same order by chance there are too many orders.
const SAMPLES: usize = 8;

/// Compares `wanted` with what `hello` sends, read from hellos that go nowhere.
///
/// # Errors
///
/// [`TlsErrorKind::Other`] if BoringSSL writes none, or one that cannot be read.
pub(super) fn report(
    wanted: &ClientHelloSpec,
    hello: &Hello,
    gaps: &Gaps,
) -> Result<FidelityReport, TlsError> {
    let mut hellos = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let records = hello.draw().map_err(classify::setup_error)?;
        hellos.push(ClientHello::parse(&records).map_err(unreadable)?);
    }
    let mut report = compared(wanted, &hellos)?;
    let known = gaps.iter().map(|(field, reason)| (&**field, &**reason));
    for (field, reason) in OWN_WAYS.into_iter().chain(known) {
        report = report.with_reason(field, reason);
    }
    Ok(report)
}

/// The comparison with all of them; with the one that is farthest off where they have more differences among themselves
/// than a specification can say, such as padding in some only.
pub(super) fn compared(
    wanted: &ClientHelloSpec,
    hellos: &[ClientHello],
) -> Result<FidelityReport, TlsError> {
    if let Ok(sent) = ClientHelloSpec::from_hellos(hellos) {
        return Ok(FidelityReport::compare(wanted, &sent));
    }
    let mut reports = Vec::with_capacity(hellos.len());
    for hello in hellos {
        let sent = ClientHelloSpec::from_hellos(std::slice::from_ref(hello)).map_err(unreadable)?;
        reports.push(FidelityReport::compare(wanted, &sent));
    }
    let farthest = reports.into_iter().min_by_key(|report| report.grade);
    Ok(farthest.expect("there are samples"))
}

/// What no setting changes. A report says so where it makes a difference.
const OWN_WAYS: [(&str, &str); 14] = [
    (
        "ciphers",
        "BoringSSL has those of TLS 1.3 first, and GREASE everywhere or nowhere",
    ),
    (
        "extension_order",
        "BoringSSL has one of its own, or draws it",
    ),
    ("GREASE 1", GREASE),
    ("GREASE 2", GREASE),
    ("supported_groups", GREASE),
    ("key_share", GREASE),
    ("supported_versions", GREASE),
    ("signature_algorithms", GREASE),
    ("encrypted_client_hello", "BoringSSL draws its parts itself"),
    (
        "padding",
        "BoringSSL pads when the last extension would be empty",
    ),
    ("ec_point_formats", WITH_TLS12),
    ("extended_master_secret", WITH_TLS12),
    ("renegotiation_info", WITH_TLS12),
    (
        "psk_key_exchange_modes",
        "BoringSSL always sends one, with TLS 1.3",
    ),
];

const GREASE: &str = "BoringSSL has GREASE everywhere or nowhere";
const WITH_TLS12: &str = "BoringSSL always sends the same, with TLS 1.2";

fn unreadable(error: impl Error + Send + Sync + 'static) -> TlsError {
    TlsError::new(TlsErrorKind::Other).with_source(error)
}
