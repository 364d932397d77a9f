//! The few calls of BoringSSL for which the crate `boring` has no safe method. The only unsafe code of this crate.

#![expect(
    unsafe_code,
    reason = "ALPS, trust anchors, key shares and TLS 1.3 cipher order exist in `boring-sys` alone; each call says why it is sound"
)]

use std::ffi::c_int;
use std::ptr;

use ::boring::error::ErrorStack;
use ::boring::ssl::{SslContextBuilder, SslRef, SslSessionRef};
use foreign_types::ForeignTypeRef;

/// Offers these TLS 1.3 cipher suites in this order.
pub(super) fn set_tls13_ciphers(
    context: &mut SslContextBuilder,
    ciphers: &[u16],
) -> Result<(), ErrorStack> {
    // SAFETY: the context is alive and ours alone (`&mut`). BoringSSL reads `ciphers.len()` values and copies them; null
    // flags mean that no two are preferred equally.
    done(unsafe {
        boring_sys::SSL_CTX_set1_tls13_ciphers(
            context.as_ptr(),
            ciphers.as_ptr(),
            ptr::null(),
            ciphers.len(),
        )
    })
}

/// Sends `trust_anchors` with this list, which is a series of identifiers with a length byte before each.
pub(super) fn set_requested_trust_anchors(
    context: &mut SslContextBuilder,
    list: &[u8],
) -> Result<(), ErrorStack> {
    // SAFETY: the context is alive and ours alone. BoringSSL reads `list.len()` bytes, checks them, and copies them.
    done(unsafe {
        boring_sys::SSL_CTX_set1_requested_trust_anchors(
            context.as_ptr(),
            list.as_ptr(),
            list.len(),
        )
    })
}

/// Sends key shares for these groups, which must be a subsequence of the groups that `ssl` supports.
pub(super) fn set_key_shares(ssl: &mut SslRef, groups: &[u16]) -> Result<(), ErrorStack> {
    // SAFETY: `ssl` is alive and ours alone. BoringSSL reads `groups.len()` values, checks and copies them.
    done(unsafe {
        boring_sys::SSL_set1_client_key_shares(ssl.as_ptr(), groups.as_ptr(), groups.len())
    })
}

/// Offers application settings (ALPS), empty ones, for `protocol`, under the new code point or the old one.
pub(super) fn add_application_settings(
    ssl: &mut SslRef,
    protocol: &[u8],
    new_codepoint: bool,
) -> Result<(), ErrorStack> {
    // SAFETY: `ssl` is alive and ours alone. BoringSSL copies `protocol.len()` bytes; the settings have length zero, of
    // which it reads nothing, so null is allowed. The second call sets a flag.
    unsafe {
        done(boring_sys::SSL_add_application_settings(
            ssl.as_ptr(),
            protocol.as_ptr(),
            protocol.len(),
            ptr::null(),
            0,
        ))?;
        boring_sys::SSL_set_alps_use_new_codepoint(ssl.as_ptr(), c_int::from(new_codepoint));
    }
    Ok(())
}

/// Whether application settings were agreed on.
#[cfg(test)]
pub(super) fn has_application_settings(ssl: &SslRef) -> bool {
    // SAFETY: `ssl` is alive; the call reads a flag.
    unsafe { boring_sys::SSL_has_application_settings(ssl.as_ptr()) == 1 }
}

/// Offers to resume `session`, which must come from a connection of `ssl`'s own context.
pub(super) fn resume(ssl: &mut SslRef, session: &SslSessionRef) -> Result<(), ErrorStack> {
    // SAFETY: `boring` asks for a session of the same context. `TicketKey` names the context, so the cache returns no
    // other; and were there a mistake, nothing would dangle: a session of BoringSSL holds no pointer into its context,
    // only one to the static X.509 methods, which all contexts here have in common (`SslMethod::tls`).
    unsafe { ssl.set_session(session) }
}

/// Whether the peer said that it has no more to send.
pub(super) fn received_close_notify(ssl: &SslRef) -> bool {
    // SAFETY: `ssl` is alive; the call reads two flags.
    let state = unsafe { boring_sys::SSL_get_shutdown(ssl.as_ptr()) };
    state & boring_sys::SSL_RECEIVED_SHUTDOWN != 0
}

/// BoringSSL returns one for success; its reasons wait in a queue of the thread.
fn done(result: c_int) -> Result<(), ErrorStack> {
    if result == 1 {
        Ok(())
    } else {
        Err(ErrorStack::get())
    }
}
