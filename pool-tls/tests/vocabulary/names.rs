//! JA3, JA4 and Akamai of every capture.

use pool_tls::spec::StreamPriority;
use serde_json::{Value, json};

use crate::captures;

#[test]
fn every_captured_hello_has_the_names_that_another_program_gave_it() {
    let connections = captures::all();
    assert_eq!(connections.len(), 15);
    for connection in &connections {
        let hello = &connection.hello;
        let expected = &connection.expected["client_hello"];
        let (ja3, sorted, ja4) = (hello.ja3(), hello.ja3_sorted(), hello.ja4());
        for (field, said) in [
            ("ja3", ja3.text().to_owned()),
            ("ja3_hash", ja3.hash()),
            ("ja3n", sorted.text().to_owned()),
            ("ja3n_hash", sorted.hash()),
            ("ja4", ja4.to_string()),
            ("ja4_r", ja4.raw()),
        ] {
            assert_eq!(expected[field], said, "{field} of {}", connection.name);
        }
    }
}

#[test]
fn every_captured_hello_is_read_to_its_last_field() {
    for connection in captures::all() {
        let hello = &connection.hello;
        let expected = &connection.expected["client_hello"];
        let name = &connection.name;
        assert_eq!(expected["legacy_version"], hello.legacy_version(), "{name}");
        assert_eq!(hello.record_version(), Some(0x0301), "{name}");
        let random: String = hello.random().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(expected["random"], random, "{name}");
        assert_eq!(
            expected["session_id_len"],
            hello.session_id_length(),
            "{name}"
        );
        assert_eq!(expected["sni"], json!(hello.server_name()), "{name}");
        assert_eq!(
            expected["compression"],
            json!(hello.compression_methods()),
            "{name}"
        );
        let extensions = hello.extensions().iter();
        let extensions: Vec<Value> = extensions
            .map(|sent| json!([sent.id, sent.body.len()]))
            .collect();
        let others = expected["extensions"].as_array().unwrap().iter();
        let others: Vec<Value> = others
            .map(|sent| json!([sent["id"], sent["len"]]))
            .collect();
        assert_eq!(extensions, others, "{name}");
        let shares = hello.key_shares();
        let lengths: Vec<u16> = shares.iter().map(|share| share.length).collect();
        let others = expected["key_share"].as_array().unwrap().iter();
        let others: Vec<Value> = others.map(|share| share[1].clone()).collect();
        assert_eq!(json!(lengths), json!(others), "{name}");
    }
    // The one capture of a resumption.
    let resumed = captures::all()
        .into_iter()
        .filter(|one| one.hello.offers_psk());
    let resumed: Vec<String> = resumed.map(|one| one.name).collect();
    assert_eq!(resumed, ["chromium-156.0.8078.79/06"]);
}

#[test]
fn every_captured_opening_has_the_akamai_fingerprint_that_another_program_gave_it() {
    let mut openings = 0;
    for connection in captures::all() {
        let expected = &connection.expected["http2"];
        let name = &connection.name;
        let Some(opening) = &connection.opening else {
            assert!(expected.is_null(), "{name}");
            continue;
        };
        openings += 1;
        assert_eq!(expected["akamai"], opening.akamai().text(), "{name}");
        assert_eq!(expected["akamai_hash"], opening.akamai().hash(), "{name}");
        let headers = opening.request.as_ref().map(|request| &request.headers);
        assert_eq!(expected["headers"], json!(headers), "{name}");
        let frames: Vec<Value> = opening
            .frames
            .iter()
            .map(|frame| json!([frame.flags, frame.stream, frame.length]))
            .collect();
        let others = expected["frames"].as_array().unwrap().iter();
        let others: Vec<Value> = others
            .map(|frame| json!([frame["flags"], frame["stream"], frame["len"]]))
            .collect();
        assert_eq!(frames, others, "{name}");
        let Some(request) = &opening.request else {
            continue;
        };
        let frame = &expected["headers_frame"];
        assert_eq!(frame["flags"], request.flags, "{name}");
        let priority = request.priority.map_or(Value::Null, |priority| {
            let StreamPriority {
                depends_on,
                exclusive,
                weight,
            } = priority;
            json!({"exclusive": u8::from(exclusive), "dep": depends_on, "weight": weight})
        });
        assert_eq!(frame["priority"], priority, "{name}");
    }
    assert_eq!(openings, 12);
}
