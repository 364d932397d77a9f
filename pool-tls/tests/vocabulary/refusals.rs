//! Profiles that make no sense, and what is said about them.

use pool_tls::ProfileId;
use pool_tls::spec::{ExtensionSpec, Profile, PseudoHeader, Slot, StreamPriority};

fn chromium() -> Profile {
    Profile::built_in("chromium-156").expect("it is built in")
}

/// The text of a profile, changed at one place.
fn changed(from: &str, to: &str) -> String {
    let text = chromium().to_toml();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

#[test]
fn a_file_that_is_wrong_says_in_which_line_and_field() {
    for (from, to, field, said) in [
        (
            "name = \"chromium-156\"\n",
            "name = \"a\"\nnonsense = 1\n",
            "nonsense",
            "unknown field `nonsense`",
        ),
        (
            "session_id = true\n",
            "session_id = true\nsessions = 1\n",
            "hello.sessions",
            "unknown field `sessions`",
        ),
        (
            "length = 0\n",
            "length = 0\nwidth = 3\n",
            "hello.extensions.width",
            "unknown field `width`",
        ),
        (
            "weight = 256\n",
            "",
            "http2.priority",
            "missing field `weight`",
        ),
        (
            "weight = 256",
            "weight = 65536",
            "http2.priority.weight",
            "65536",
        ),
        (
            "\"x25519\"",
            "\"x25518\"",
            "hello.extensions.groups",
            "no group named `x25518`; there is `x25519`",
        ),
        (
            "\"TLS_AES_128_GCM_SHA256\"",
            "\"0x13011\"",
            "hello.ciphers",
            "no cipher suite named `0x13011`",
        ),
        (
            "\"ENABLE_PUSH\"",
            "\"PUSH\"",
            "http2.settings.name",
            "no HTTP/2 setting named `PUSH`",
        ),
        (
            "\":scheme\"",
            "\":schema\"",
            "http2.pseudo_order",
            "there are `:method`, `:scheme`",
        ),
        (
            "name = \"session_ticket\"",
            "name = \"session_tickets\"",
            "hello.extensions.name",
            "there is `session_ticket`",
        ),
        (
            "\"permuted\"",
            "\"random\"",
            "hello.extension_order",
            "expected `fixed` or `permuted`",
        ),
        (
            "\"sec-ch-ua-mobile: ?0\"",
            "\"sec-ch-ua-mobile\"",
            "headers",
            "is no `name: value`",
        ),
        (
            "body = \"00b8",
            "body = \"zz00b8",
            "hello.extensions.body",
            "hexadecimal digits",
        ),
    ] {
        let text = changed(from, to);
        let error = Profile::from_toml(&text).expect_err(from);
        let message = error.to_string();
        assert!(message.contains(said), "{from}: {message}");
        assert_eq!(error.field(), field, "{message}");
        let line = error.line().expect("it is in a line");
        assert!(message.starts_with(&format!("line {line}, ")), "{message}");
        let changed = to
            .split('\n')
            .rfind(|line| !line.is_empty())
            .unwrap_or("[http2.priority]");
        assert!(
            text.lines().nth(line - 1).unwrap().contains(changed),
            "{message}"
        );
    }
}

#[test]
fn an_extension_has_its_own_fields_and_no_other() {
    for (from, to, said) in [
        (
            "modes = [\"psk_dhe_ke\"]\n",
            "",
            "`psk_key_exchange_modes` needs `modes`",
        ),
        (
            "modes = [\"psk_dhe_ke\"]\n",
            "modes = [\"psk_ke\"]\nlimit = 3\n",
            "has a field that is none of its own",
        ),
        (
            "name = \"session_ticket\"",
            "name = \"0x1234\"",
            "`0x1234` needs `body`",
        ),
        (
            "name = \"GREASE\"\nlength = 0",
            "length = 0",
            "an extension without `name`",
        ),
    ] {
        let error = Profile::from_toml(&changed(from, to)).expect_err(from);
        assert!(error.to_string().contains(said), "{error}");
        assert!(error.line().is_some());
    }
}

#[test]
fn a_later_version_is_refused_before_its_fields_are() {
    let text = changed("version = 1\n", "version = 2\nnonsense = 1\n");
    let error = Profile::from_toml(&text).unwrap_err().to_string();
    assert_eq!(error, "version: is 2, and this release reads 1");
    let error = Profile::from_toml("name = \"a\"\n")
        .unwrap_err()
        .to_string();
    assert!(error.contains("missing field `version`"), "{error}");
}

#[test]
fn code_points_may_be_written_as_numbers() {
    let text = changed("\"TLS_AES_128_GCM_SHA256\"", "\"0x1301\"");
    assert_eq!(Profile::from_toml(&text), Ok(chromium()));
    let text = changed("name = \"session_ticket\"", "name = \"0x0023\"");
    assert_eq!(Profile::from_toml(&text), Ok(chromium()));
}

#[test]
fn combinations_that_no_client_sends_are_refused() {
    type Change = fn(&mut Profile);
    fn extensions(profile: &mut Profile) -> &mut Vec<ExtensionSpec> {
        &mut profile.hello.as_mut().unwrap().extensions
    }
    fn without(profile: &mut Profile, id: u16) {
        extensions(profile).retain(|extension| extension.id() != Some(id));
    }
    fn replace(profile: &mut Profile, with: ExtensionSpec) {
        let extensions = extensions(profile);
        let at = extensions
            .iter()
            .position(|one| one.id() == with.id())
            .unwrap();
        extensions[at] = with;
    }
    let cases: [(Change, &str, &str); 33] = [
        (|p| p.id = ProfileId::new(""), "name", "is empty"),
        (|p| p.id = ProfileId::native(), "name", "takes no other"),
        (
            |p| {
                replace(
                    p,
                    ExtensionSpec::SupportedVersions(vec![Slot::Grease, Slot::Value(0x0302)]),
                )
            },
            "hello.supported_versions",
            "neither TLS 1.2 nor TLS 1.3",
        ),
        (
            |p| replace(p, ExtensionSpec::KeyShare(vec![Slot::Value(0x0019)])),
            "hello.key_share",
            "`secp521r1`, which is not among the groups",
        ),
        (|p| without(p, 51), "hello.key_share", "without a share"),
        (
            |p| replace(p, ExtensionSpec::KeyShare(vec![Slot::Grease])),
            "hello.key_share",
            "without a share",
        ),
        (
            |p| without(p, 13),
            "hello.signature_algorithms",
            "without any",
        ),
        (|p| without(p, 16), "http2", "does not offer `h2`"),
        (
            |p| replace(p, ExtensionSpec::Alpn(vec!["http/1.1".to_owned()])),
            "http2",
            "does not offer `h2`",
        ),
        (
            |p| replace(p, ExtensionSpec::Alpn(vec![String::new()])),
            "hello.application_layer_protocol_negotiation",
            "1 to 255",
        ),
        (
            |p| extensions(p).push(ExtensionSpec::SessionTicket),
            "hello.session_ticket",
            "twice",
        ),
        (
            |p| {
                extensions(p).push(ExtensionSpec::Other {
                    id: 0x0a0a,
                    body: vec![],
                })
            },
            "hello.0x0a0a",
            "as GREASE",
        ),
        (
            |p| {
                extensions(p).push(ExtensionSpec::Other {
                    id: 41,
                    body: vec![],
                })
            },
            "hello.pre_shared_key",
            "no full handshake",
        ),
        (
            |p| extensions(p).push(ExtensionSpec::RecordSizeLimit(63)),
            "hello.record_size_limit",
            "64 to 16385",
        ),
        (
            |p| extensions(p).extend(vec![ExtensionSpec::Grease { length: 0 }; 15]),
            "hello.extensions",
            "more GREASE",
        ),
        (
            |p| replace(p, ExtensionSpec::SupportedGroups(vec![])),
            "hello.supported_groups",
            "is empty",
        ),
        (
            |p| replace(p, ExtensionSpec::CompressCertificate(vec![2, 2])),
            "hello.compress_certificate",
            "twice",
        ),
        (
            |p| p.hello.as_mut().unwrap().ciphers.clear(),
            "hello.ciphers",
            "is empty",
        ),
        (
            |p| p.hello.as_mut().unwrap().ciphers.truncate(1),
            "hello.ciphers",
            "no cipher suite",
        ),
        (
            |p| p.hello.as_mut().unwrap().ciphers.push(Slot::Value(0x1301)),
            "hello.ciphers",
            "twice",
        ),
        (
            |p| p.hello.as_mut().unwrap().ciphers[0] = Slot::Value(0x2a2a),
            "hello.ciphers",
            "as GREASE",
        ),
        (
            |p| p.http2.as_mut().unwrap().first_stream_id = 0,
            "http2.first_stream_id",
            "odd",
        ),
        (
            |p| p.http2.as_mut().unwrap().first_stream_id = 2,
            "http2.first_stream_id",
            "odd",
        ),
        (
            |p| p.http2.as_mut().unwrap().settings.push((4, 0)),
            "http2.settings.INITIAL_WINDOW_SIZE",
            "twice",
        ),
        (
            |p| p.http2.as_mut().unwrap().settings[2].1 = 1 << 31,
            "http2.settings.INITIAL_WINDOW_SIZE",
            "at most 2147483647",
        ),
        (
            |p| p.http2.as_mut().unwrap().settings.push((5, 16383)),
            "http2.settings.MAX_FRAME_SIZE",
            "from 16384 to 16777215",
        ),
        (
            |p| p.http2.as_mut().unwrap().window_update = Some(0),
            "http2.window_update",
            "from 1",
        ),
        (
            |p| p.http2.as_mut().unwrap().pseudo_order[0] = PseudoHeader::Path,
            "http2.pseudo_order",
            "each of the four",
        ),
        (
            |p| {
                p.http2.as_mut().unwrap().priority = Some(StreamPriority {
                    depends_on: 0,
                    exclusive: false,
                    weight: 0,
                })
            },
            "http2.priority.weight",
            "from 1 to 256",
        ),
        (
            |p| {
                p.http2.as_mut().unwrap().priority = Some(StreamPriority {
                    depends_on: 1,
                    exclusive: false,
                    weight: 1,
                })
            },
            "http2.priority.depends_on",
            "itself",
        ),
        (
            |p| p.headers[0].0 = "User-Agent".to_owned(),
            "headers.User-Agent",
            "lower case",
        ),
        (
            |p| p.headers[0].0 = ":path".to_owned(),
            "headers.:path",
            "no header name",
        ),
        (
            |p| p.headers[0].1 = "a\r\nb: c".to_owned(),
            "headers.sec-ch-ua",
            "control characters",
        ),
    ];
    for (change, field, said) in cases {
        let mut profile = chromium();
        change(&mut profile);
        let error = profile.validate().expect_err(field);
        assert_eq!(error.field(), field, "{error}");
        assert!(error.to_string().contains(said), "{error}");
        // What is wrong in a program is wrong in a file.
        assert!(Profile::from_toml(&profile.to_toml()).is_err(), "{error}");
    }
}
