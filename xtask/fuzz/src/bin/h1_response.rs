//! A response from a peer, to both HTTP/1.1 engines.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pool_core::fuzzing::h1_response(input));
