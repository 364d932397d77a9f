//! A response from a peer, to both HTTP/1.1 engines.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use pool_core::fuzzing;

fuzz_target!(|input: &[u8]| fuzzing::h1_response(input));

// One change in two is one of lines, the other one of bytes, where the dictionary is.
fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    let lines = seed
        .is_multiple_of(2)
        .then(|| fuzzing::mutate_lines(&data[..size], most, seed));
    match lines.flatten() {
        Some(changed) => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        None => fuzzer_mutate(data, size, most),
    }
});
