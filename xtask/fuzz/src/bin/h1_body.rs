//! A chunked body, in one piece and in several.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pool_core::fuzzing::h1_body(input));
