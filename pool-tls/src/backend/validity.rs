//! When a certificate ends.

use std::time::{Duration, SystemTime};

use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{Decode, SliceReader, Tagged};
use x509_cert::time::Validity;

/// The `notAfter` of a certificate in DER (RFC 5280, section 4.1.2.5); `None` if there is none to be read.
///
/// The fields before it are passed over unread: whether the certificate is one to trust is the backend's to say.
pub(super) fn not_after(certificate: &[u8]) -> Option<SystemTime> {
    let certificate = AnyRef::from_der(certificate).ok()?;
    let mut parts = SliceReader::new(certificate.value()).ok()?;
    let to_be_signed = AnyRef::decode(&mut parts).ok()?;
    let mut fields = SliceReader::new(to_be_signed.value()).ok()?;
    let mut next = || AnyRef::decode(&mut fields).ok();
    // The version is there unless it is 1, and has a tag of its own.
    if next()?.tag().is_context_specific() {
        let _serial = next()?;
    }
    let (_signature, _issuer) = (next()?, next()?);
    let validity = <Validity>::decode(&mut fields).ok()?;
    Some(validity.not_after.to_system_time())
}

/// Whether a certificate with this end is valid no longer: throughout its last second it still is.
pub(super) fn has_ended(end: Option<SystemTime>) -> bool {
    end.is_some_and(|end| {
        end.elapsed()
            .is_ok_and(|past| past >= Duration::from_secs(1))
    })
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn made(not_after: SystemTime) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["a.test".to_owned()]).unwrap();
        params.not_before = UNIX_EPOCH.into();
        params.not_after = not_after.into();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_is_read_to_the_second_before_and_after_2050() {
        for secs in [
            1,
            1_900_000_001,
            2_524_607_999,
            2_524_608_000,
            253_402_300_799,
        ] {
            let end = UNIX_EPOCH + Duration::from_secs(secs);
            assert_eq!(not_after(&made(end)), Some(end), "{secs}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let whole = made(UNIX_EPOCH + Duration::from_secs(1));
        for end in 0..whole.len() {
            assert_eq!(not_after(&whole[..end]), None, "{end} bytes");
        }
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 0xff;
            // Anything but a panic.
            let _end = not_after(&broken);
        }
    }
}
