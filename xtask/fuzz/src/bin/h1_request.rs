//! A request, to the inline HTTP/1.1 engine.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pool_core::fuzzing::h1_request(input));
