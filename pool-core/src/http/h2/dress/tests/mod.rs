//! What the h2 crate writes, and what becomes of it.

mod bytes;
mod requests;

use pool_tls::spec::PseudoHeader::{Authority, Method, Path, Scheme};
use pool_tls::spec::{Http2Spec, StreamPriority};

use super::spec::Dress;

/// Chromium 156, as captured on 2026-11-22.
pub(in crate::http) fn chromium() -> Http2Spec {
    Http2Spec {
        settings: vec![(1, 65_536), (2, 0), (4, 6_291_456), (6, 262_144)],
        window_update: Some(15_663_105),
        first_stream_id: 1,
        pseudo_order: [Method, Authority, Scheme, Path],
        priority: Some(StreamPriority {
            depends_on: 0,
            exclusive: true,
            weight: 256,
        }),
        stream_window_update: None,
    }
}

/// Firefox ESR 153, as captured on 2026-11-22.
pub(in crate::http) fn firefox() -> Http2Spec {
    Http2Spec {
        settings: vec![(1, 65_536), (2, 0), (4, 131_072), (5, 16_384)],
        window_update: Some(12_517_377),
        first_stream_id: 3,
        pseudo_order: [Method, Path, Authority, Scheme],
        priority: Some(StreamPriority {
            depends_on: 0,
            exclusive: false,
            weight: 42,
        }),
        stream_window_update: Some(0x00be_0000),
    }
}

/// One that says the least.
fn silent() -> Http2Spec {
    Http2Spec {
        settings: Vec::new(),
        window_update: None,
        first_stream_id: 1,
        pseudo_order: [Authority, Method, Path, Scheme],
        priority: None,
        stream_window_update: None,
    }
}

#[test]
fn a_spec_that_cannot_be_kept_to_is_refused_by_the_value() {
    type Change = fn(&mut Http2Spec);
    let changes: [(Change, &str); 14] = [
        (|spec| spec.settings.push((2, 2)), "setting 2 is 2"),
        (
            |spec| spec.settings.push((4, 1 << 31)),
            "setting 4 is 2147483648",
        ),
        (|spec| spec.settings.push((5, 16_383)), "setting 5 is 16383"),
        (
            |spec| spec.settings.push((5, 1 << 24)),
            "setting 5 is 16777216",
        ),
        (
            |spec| spec.settings.push((1, u32::MAX)),
            "setting 1 is 4294967295",
        ),
        (
            |spec| spec.settings = vec![(9, 1); 65],
            "more than 64 settings",
        ),
        (
            |spec| spec.stream_window_update = Some((1 << 31) - 6_291_456),
            "a stream's window is 6291456",
        ),
        (
            |spec| spec.stream_window_update = Some(0),
            "a stream's window is updated by 0",
        ),
        (
            |spec| spec.window_update = Some(1000),
            "the connection's window is updated by 1000",
        ),
        (
            |spec| spec.window_update = Some((1 << 31) - 65_535),
            "window is updated by 2147418113",
        ),
        (|spec| spec.first_stream_id = 2, "stream 2 is none"),
        (
            |spec| spec.priority.as_mut().unwrap().weight = 0,
            "the weight is 0",
        ),
        (
            |spec| spec.priority.as_mut().unwrap().depends_on = 3,
            "streams depend on 3",
        ),
        (|spec| spec.pseudo_order[3] = Method, "leaves out Path"),
    ];
    for (change, wanted) in changes {
        let mut spec = chromium();
        change(&mut spec);
        let refused = Dress::new(spec).expect_err(wanted).to_string();
        assert!(refused.contains(wanted), "{refused}, not {wanted}");
    }
    for spec in [chromium(), firefox(), silent()] {
        Dress::new(spec).expect("a spec that can be kept to");
    }
    let most = Http2Spec {
        stream_window_update: Some((1 << 31) - 1 - 6_291_456),
        window_update: Some((1 << 31) - 1 - 65_535),
        ..chromium()
    };
    Dress::new(most).expect("as large as a window may be");
}
