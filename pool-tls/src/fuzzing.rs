//! What must hold of any bytes: a client's, or a file's.

use crate::ProfileId;
use crate::client_hello::{ClientHello, ClientHelloErrorKind};
use crate::fidelity::{Fidelity, FidelityReport};
use crate::http2_opening::Http2Opening;
use crate::spec::{Captured, ClientHelloSpec, ExtensionOrder, Http2Spec, Profile};

/// Reads `input` as what it begins like: TLS records, a handshake message, the opening of an HTTP/2 connection, or else a
/// profile in TOML.
///
/// # Panics
///
/// If something does not hold.
pub fn opening(input: &[u8]) {
    match input {
        [22, ..] => records(input),
        [1, ..] => {
            if let Ok(hello) = ClientHello::parse_message(input) {
                hello_holds(&hello);
                in_records(input, &hello);
            }
        }
        [b'P', b'R', b'I', ..] => http2(input),
        _ => {
            if let Ok(profile) = std::str::from_utf8(input).map_or(Err(()), read) {
                profile_holds(&profile);
            }
        }
    }
}

fn read(text: &str) -> Result<Profile, ()> {
    Profile::from_toml(text).map_err(|error| assert!(!error.to_string().is_empty()))
}

fn records(input: &[u8]) {
    match ClientHello::parse(input) {
        Ok(hello) => hello_holds(&hello),
        Err(error) => {
            // It ends, and it is about something in the input.
            assert!(error.offset() <= input.len(), "{error}");
            assert_ne!(error.kind(), ClientHelloErrorKind::Incomplete { more: 0 });
        }
    }
    // However many bytes come at a time, the outcome is the same: what is wrong does not become right with more.
    let mut read = input.len().min(1);
    let follow = loop {
        match ClientHello::parse(&input[..read]) {
            Err(error) if error.more().is_some() && read < input.len() => {
                read = input.len().min(read + error.more().unwrap_or_default());
            }
            outcome => break outcome,
        }
    };
    let whole = ClientHello::parse(input);
    assert_eq!(follow.is_ok(), whole.is_ok(), "{follow:?} {whole:?}");
    if let (Ok(follow), Ok(whole)) = (follow, whole) {
        assert_eq!(follow, whole);
    }
}

/// The same hello, spread over small records.
fn in_records(message: &[u8], expected: &ClientHello) {
    let mut records = Vec::new();
    for content in message.chunks(97) {
        let length = u8::try_from(content.len()).expect("at most 97");
        records.extend([22, 3, 1, 0, length]);
        records.extend(content);
    }
    let hello = ClientHello::parse(&records).expect("it was read before");
    assert_eq!(hello.extensions(), expected.extensions());
    assert_eq!(hello.ja4(), expected.ja4());
}

fn hello_holds(hello: &ClientHello) {
    let (ja3, sorted, ja4) = (hello.ja3(), hello.ja3_sorted(), hello.ja4());
    assert_eq!(
        (ja3.hash().len(), ja3.text().len()),
        (32, sorted.text().len())
    );
    // Transport, version, name, two counts, protocol; then twice twelve digits.
    assert_eq!((ja4.a().len(), ja4.to_string().len()), (10, 36), "{ja4}");
    let Ok(spec) = ClientHelloSpec::from_hellos(std::slice::from_ref(hello)) else {
        return;
    };
    assert_eq!((spec.ja3(), spec.ja4()), (ja3, ja4));
    let itself = FidelityReport::compare(&spec, &spec);
    assert_eq!(itself.grade, Fidelity::Exact, "{itself}");
    let captured = Captured {
        client: "a".to_owned(),
        date: "b".to_owned(),
        source: "c".to_owned(),
    };
    let hellos = [hello.clone(), hello.clone()];
    let profile = Profile::from_captures(ProfileId::new("x"), captured, &hellos, &[]);
    if let Ok(profile) = profile {
        assert_eq!(profile.hello, Some(spec));
        profile_holds(&profile);
    }
}

fn profile_holds(profile: &Profile) {
    let text = profile.to_toml();
    assert_eq!(Profile::from_toml(&text).as_ref(), Ok(profile), "{text}");
    if let Some(hello) = &profile.hello {
        let mut other = hello.clone();
        other.extension_order = match hello.extension_order {
            ExtensionOrder::Fixed => ExtensionOrder::Permuted,
            ExtensionOrder::Permuted => ExtensionOrder::Fixed,
        };
        let report = FidelityReport::compare(hello, &other);
        assert!(report.grade < Fidelity::Exact, "{report}");
    }
}

fn http2(input: &[u8]) {
    let Ok(opening) = Http2Opening::parse(input) else {
        return;
    };
    let akamai = opening.akamai();
    assert_eq!(
        akamai.text().matches('|').count(),
        3 + pipes(&opening),
        "{akamai}"
    );
    if let Ok(spec) = Http2Spec::from_opening(&opening) {
        assert_eq!(spec.akamai(), akamai);
    }
    // A request that was there stays what it was when more comes.
    let request = opening.request.map(|request| request.headers);
    let cut = Http2Opening::parse(&input[..input.len() / 2]).ok();
    if let Some(early) = cut.and_then(|opening| opening.request) {
        assert_eq!(Some(early.headers), request);
    }
}

/// How many pseudo-headers begin with what parts the fingerprint.
fn pipes(opening: &Http2Opening) -> usize {
    let headers = opening.request.iter().flat_map(|request| &request.headers);
    headers.filter(|(name, _)| name.starts_with(":|")).count()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    /// The captures and the built-in profiles.
    fn seeds() -> Vec<Vec<u8>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files: Vec<PathBuf> = Vec::new();
        let captures = fs::read_dir(root.join("tests/captures")).unwrap();
        let folders = captures.map(|entry| entry.unwrap().path());
        for folder in folders.chain([root.join("profiles")]) {
            let Ok(entries) = fs::read_dir(folder) else {
                continue;
            };
            files.extend(entries.map(|entry| entry.unwrap().path()));
        }
        let wanted = |path: &PathBuf| {
            path.extension()
                .is_some_and(|ending| ending == "bin" || ending == "toml")
        };
        files.retain(wanted);
        files.sort();
        files.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    #[test]
    fn it_holds_of_every_capture_and_every_profile() {
        let seeds = seeds();
        assert_eq!(seeds.len(), 15 + 12 + 2);
        for seed in seeds {
            opening(&seed);
            if seed[0] == 22 {
                opening(&seed[5..]);
            }
        }
    }

    #[test]
    fn it_holds_of_every_beginning_of_a_hello() {
        for seed in seeds().iter().filter(|seed| seed[0] == 22) {
            for end in 0..seed.len() {
                let error = ClientHello::parse(&seed[..end]).unwrap_err();
                assert_eq!(
                    error.more(),
                    Some(match end {
                        0..5 => 5 - end,
                        _ => seed.len() - end,
                    })
                );
            }
        }
    }

    proptest! {
        #[test]
        fn it_holds_of_captures_that_were_tampered_with(
            seed in any::<Index>(),
            changes in vec((any::<Index>(), any::<u8>()), 1..8),
            cut in proptest::option::of(any::<Index>()),
            bare in any::<bool>(),
        ) {
            let seeds = seeds();
            let mut input = seed.get(&seeds).clone();
            if bare && input[0] == 22 {
                input.drain(..5);
            }
            for (at, to) in changes {
                let at = at.index(input.len());
                input[at] = to;
            }
            if let Some(cut) = cut {
                input.truncate(cut.index(input.len()));
            }
            opening(&input);
        }

        #[test]
        fn it_holds_of_any_bytes(start in 0_usize..4, bytes in vec(any::<u8>(), 0..300)) {
            let start = [
                &b""[..],
                b"\x16\x03\x01",
                b"\x01\0\x01",
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
            ][start];
            opening(&[start, &bytes].concat());
        }
    }
}
