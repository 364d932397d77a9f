//! Comparing two HTTP/2 openings.

use super::FieldReport;
use super::compare::plain;
use crate::names::Registry;
use crate::spec::{Http2Spec, PseudoHeader};

/// Compares an HTTP/2 opening with the one that was wanted, field by field. None of them may vary.
pub fn compare_http2(wanted: &Http2Spec, sent: &Http2Spec) -> Vec<FieldReport> {
    let field = |name, show: fn(&Http2Spec) -> String| plain(name, show(wanted), show(sent));
    vec![
        field("settings", settings),
        field("window_update", |spec| increment(spec.window_update)),
        field("first_stream_id", |spec| spec.first_stream_id.to_string()),
        field("pseudo_order", |spec| {
            spec.pseudo_order.map(PseudoHeader::name).join(", ")
        }),
        field("priority", priority),
        field("stream_window_update", |spec| {
            increment(spec.stream_window_update)
        }),
    ]
}

fn settings(spec: &Http2Spec) -> String {
    let settings = spec.settings.iter();
    let shown = settings.map(|&(id, value)| format!("{} {value}", Registry::Http2Setting.show(id)));
    match shown.collect::<Vec<_>>() {
        none if none.is_empty() => "none".to_owned(),
        some => some.join(", "),
    }
}

fn increment(increment: Option<u32>) -> String {
    increment.map_or_else(|| "absent".to_owned(), |increment| increment.to_string())
}

fn priority(spec: &Http2Spec) -> String {
    spec.priority.map_or_else(
        || "absent".to_owned(),
        |priority| {
            let exclusive = if priority.exclusive {
                ", exclusive"
            } else {
                ""
            };
            format!(
                "weight {}, depends on {}{exclusive}",
                priority.weight, priority.depends_on
            )
        },
    )
}
