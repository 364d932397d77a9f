//! What a client begins with, as TLS or as HTTP/2, and a fingerprint profile.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pool_tls::fuzzing::opening(input));
