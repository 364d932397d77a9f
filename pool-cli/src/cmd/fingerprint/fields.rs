//! Two profiles beside each other.

use pool_tls::fidelity::{FidelityReport, FieldReport, compare_http2};
use pool_tls::spec::{Http2Spec, Profile};
use serde::Serialize;

/// One field of both.
#[derive(Serialize)]
pub(super) struct Field<'a> {
    field: &'a str,
    wanted: &'a str,
    sent: &'a str,
    equal: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> From<&'a FieldReport> for Field<'a> {
    fn from(report: &'a FieldReport) -> Self {
        Self {
            field: &report.field,
            wanted: &report.wanted,
            sent: &report.sent,
            equal: report.equal,
            reason: report.reason.as_deref(),
        }
    }
}

/// Every field of the hellos, of the HTTP/2 openings and of the headers.
pub(super) fn compare(wanted: &Profile, sent: &Profile) -> Vec<FieldReport> {
    let mut fields = match (&wanted.hello, &sent.hello) {
        (None, None) => Vec::new(),
        (Some(wanted), Some(sent)) => FidelityReport::compare(wanted, sent).fields,
        (wanted, sent) => {
            let named = |hello: bool| if hello { "of its own" } else { "the backend's" };
            vec![differing(
                "hello",
                named(wanted.is_some()),
                named(sent.is_some()),
            )]
        }
    };
    fields.extend(compare_openings(wanted.http2.as_ref(), sent.http2.as_ref()));
    fields.extend(compare_headers(&wanted.headers, &sent.headers));
    fields
}

pub(super) fn compare_openings(
    wanted: Option<&Http2Spec>,
    sent: Option<&Http2Spec>,
) -> Vec<FieldReport> {
    match (wanted, sent) {
        (None, None) => Vec::new(),
        (Some(wanted), Some(sent)) => compare_http2(wanted, sent),
        (wanted, sent) => {
            let named = |opening: bool| {
                if opening {
                    "of its own"
                } else {
                    "the engine's"
                }
            };
            vec![differing(
                "http2",
                named(wanted.is_some()),
                named(sent.is_some()),
            )]
        }
    }
}

/// The order of the headers, and the value of each.
pub(super) fn compare_headers(
    wanted: &[(String, String)],
    sent: &[(String, String)],
) -> Vec<FieldReport> {
    let names = |headers: &[(String, String)]| {
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    };
    let value = |headers: &[(String, String)], name: &str| {
        let found = headers.iter().find(|(at, _)| at == name);
        found.map_or_else(|| "absent".to_owned(), |(_, value)| value.clone())
    };
    if wanted.is_empty() && sent.is_empty() {
        return Vec::new();
    }
    let mut fields = vec![field("headers", names(wanted), names(sent))];
    let also = sent
        .iter()
        .filter(|(name, _)| value(wanted, name) == "absent");
    for (name, _) in wanted.iter().chain(also) {
        fields.push(field(name, value(wanted, name), value(sent, name)));
    }
    fields
}

fn differing(name: &str, wanted: &str, sent: &str) -> FieldReport {
    field(name, wanted.to_owned(), sent.to_owned())
}

fn field(name: &str, wanted: String, sent: String) -> FieldReport {
    FieldReport {
        field: name.to_owned(),
        equal: wanted == sent,
        wanted,
        sent,
        reason: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differing_fields(wanted: &Profile, sent: &Profile) -> Vec<String> {
        let fields = compare(wanted, sent).into_iter();
        let names = fields.filter(|field| !field.equal).map(|field| field.field);
        names.collect()
    }

    #[test]
    fn each_part_of_a_profile_is_compared() {
        let chromium = Profile::built_in("chromium-156").unwrap();
        assert!(differing_fields(&chromium, &chromium).is_empty());

        let mut other = chromium.clone();
        other.headers.swap(0, 1);
        other.headers[3].1 = "2".into();
        if let Some(http2) = &mut other.http2 {
            http2.window_update = Some(40_000);
        }
        if let Some(hello) = &mut other.hello {
            hello.session_id = false;
        }
        let differing = differing_fields(&chromium, &other);
        for name in ["session_id", "headers", "upgrade-insecure-requests"] {
            assert!(
                differing.iter().any(|field| field == name),
                "{name}: {differing:?}"
            );
        }
        assert_eq!(differing.len(), 4, "{differing:?}");

        let none = Profile::built_in("native").unwrap();
        let differing = differing_fields(&chromium, &none);
        assert_eq!(differing[..3], ["hello", "http2", "headers"]);
    }
}
