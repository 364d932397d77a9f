//! The built-in profiles, which are made of the captures.

use std::path::Path;
use std::{env, fs};

use pool_tls::ProfileId;
use pool_tls::client_hello::ClientHello;
use pool_tls::http2_opening::Http2Opening;
use pool_tls::spec::{Captured, ExtensionOrder, ExtensionSpec, Profile};

use crate::captures::{self, Connection};

/// What a built-in profile is made of.
struct Made {
    /// The folder of the captures.
    folder: &'static str,
    name: &'static str,
    client: &'static str,
    source: &'static str,
    /// Lengths of the GREASE `encrypted_client_hello` that were seen in connections of the same day and client, whose
    /// bytes were not kept; the README of the captures has them.
    also_seen: &'static [u16],
}

const MADE: [Made; 2] = [
    Made {
        folder: "chromium-156.0.8078.79",
        name: "chromium-156",
        client: "Chromium 156.0.8078.79",
        source: "Debian 12's package, headless (so its user-agent says HeadlessChrome), over loopback; \
                 5 full handshakes, and a payload length of 176 from others",
        also_seen: &[176],
    },
    Made {
        folder: "firefox-esr-153.7.0",
        name: "firefox-esr-153",
        client: "Firefox ESR 153.7.0",
        source: "Debian 12's package, headless, over loopback; 4 full handshakes",
        also_seen: &[],
    },
];

fn hellos(connections: &[Connection]) -> Vec<ClientHello> {
    connections.iter().map(|one| one.hello.clone()).collect()
}

fn openings(connections: &[Connection]) -> Vec<Http2Opening> {
    connections
        .iter()
        .filter_map(|one| one.opening.clone())
        .collect()
}

fn make(made: &Made) -> Profile {
    let connections = captures::of(made.folder);
    let captured = Captured {
        client: made.client.to_owned(),
        date: "2026-11-22".to_owned(),
        source: made.source.to_owned(),
    };
    let (hellos, openings) = (hellos(&connections), openings(&connections));
    let id = ProfileId::new(made.name);
    let profile = Profile::from_captures(id, captured, &hellos, &openings);
    let mut profile = profile.expect(made.name);
    for extension in profile
        .hello
        .iter_mut()
        .flat_map(|hello| &mut hello.extensions)
    {
        if let ExtensionSpec::EchGrease(ech) = extension {
            ech.payload_lengths.extend(made.also_seen);
            ech.payload_lengths.sort_unstable();
        }
    }
    profile
}

/// `POOL_BLESS=1 cargo test -p pool-tls --test vocabulary` writes the files.
#[test]
fn the_files_of_the_built_in_profiles_are_what_the_captures_say() {
    for made in MADE {
        let profile = make(&made);
        let text = profile.to_toml();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
        let file = folder.join(format!("{}.toml", made.name));
        if env::var_os("POOL_BLESS").is_some_and(|value| value == "1") {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&file, &text).unwrap();
        }
        let committed = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == text,
            "{} differs; write it with POOL_BLESS=1",
            file.display()
        );
        // What is read is what was written.
        assert_eq!(Profile::from_toml(&text).as_ref(), Ok(&profile));
    }
}

#[test]
fn every_built_in_profile_can_be_read() {
    for name in Profile::built_in_names() {
        let profile = Profile::built_in(name).unwrap();
        assert_eq!(profile.id.as_str(), name);
        assert_eq!(profile.validate(), Ok(()));
    }
    assert_eq!(Profile::built_in_names().count(), MADE.len() + 1);
    assert_eq!(Profile::built_in("native"), Ok(Profile::native()));
    let error = Profile::built_in("firefox-153").unwrap_err().to_string();
    assert_eq!(
        error,
        "no built-in profile named `firefox-153`; did you mean `firefox-esr-153`? \
         (there are chromium-156, firefox-esr-153, native)"
    );
}

#[test]
fn a_profile_has_the_names_of_every_capture_that_it_was_made_of() {
    for made in MADE {
        let profile = Profile::built_in(made.name).unwrap();
        let (hello, http2) = (profile.hello.unwrap(), profile.http2.unwrap());
        for connection in captures::of(made.folder) {
            if let Some(opening) = connection.opening.filter(|one| one.request.is_some()) {
                assert_eq!(opening.akamai(), http2.akamai(), "{}", connection.name);
            }
            if connection.hello.offers_psk() {
                continue;
            }
            assert_eq!(connection.hello.ja4(), hello.ja4(), "{}", connection.name);
            let sorted = connection.hello.ja3_sorted();
            assert_eq!(sorted, hello.ja3_sorted(), "{}", connection.name);
            if hello.extension_order == ExtensionOrder::Fixed {
                assert_eq!(connection.hello.ja3(), hello.ja3(), "{}", connection.name);
            }
        }
    }
}

#[test]
fn headers_are_those_of_the_captured_request_without_its_pseudo_headers() {
    let of = |name| Profile::built_in(name).unwrap().headers;
    let names = |headers: &[(String, String)]| -> Vec<String> {
        headers.iter().map(|(name, _)| name.clone()).collect()
    };
    let chromium = of("chromium-156");
    assert_eq!(
        names(&chromium).join(" "),
        "sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform upgrade-insecure-requests user-agent accept sec-fetch-site \
         sec-fetch-mode sec-fetch-user sec-fetch-dest accept-encoding accept-language priority"
    );
    assert!(chromium[4].1.contains("HeadlessChrome/156"));
    let firefox = names(&of("firefox-esr-153"));
    assert_eq!(
        (firefox[0].as_str(), firefox.last().unwrap().as_str()),
        ("user-agent", "te")
    );
}

#[test]
fn openings_of_two_clients_make_no_profile() {
    let [chromium, firefox] = [0, 1].map(|at: usize| captures::of(MADE[at].folder));
    let captured = make(&MADE[0])
        .captured
        .expect("it says where it comes from");
    let mixed = [openings(&chromium), openings(&firefox)].concat();
    let made = Profile::from_captures(ProfileId::new("x"), captured, &hellos(&chromium), &mixed);
    assert_eq!(
        made.unwrap_err().to_string(),
        "http2.settings: differs between two openings"
    );
}

#[test]
fn a_profile_in_json_is_what_it_is_in_toml() {
    let profile = Profile::built_in("firefox-esr-153").unwrap();
    let json = serde_json::to_value(&profile).unwrap();
    assert_eq!(json["name"], "firefox-esr-153");
    assert_eq!(json["hello"]["extensions"][14]["limit"], 16385);
    assert_eq!(json["http2"]["settings"][3]["name"], "MAX_FRAME_SIZE");
    assert_eq!(json["headers"][9], "te: trailers");
}
