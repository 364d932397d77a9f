//! A plan for programs.

use std::time::Duration;

use pool_core::capacity::{Basis, Figure, Fit, Plan};
use pool_core::config::Limits;
use serde::Serialize;

use crate::output::micros;

/// Every number of a plan, with what it rests on; per host unless it stands under `in_all`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    per_host: PerHost,
    in_all: InAll,
    limits: Settings,
    files: Files,
}

#[derive(Debug, Serialize)]
struct PerHost {
    rate: Number<f64>,
    in_flight: Number<f64>,
    slots: Number<usize>,
    waiting_share: Number<f64>,
    open: Number<usize>,
    closed_by_requests: Number<f64>,
    closed_by_age: Number<f64>,
    closed_by_idleness: Number<f64>,
    dials_per_second: Number<f64>,
    dialling: Number<f64>,
    dial_places: Number<usize>,
    dialling_share: Number<f64>,
    per_cell: Number<usize>,
    connections: Number<usize>,
    dials_at_a_time: Number<usize>,
    cold_start_us: Number<u64>,
    stall_us: Number<u64>,
    waiters: Number<usize>,
}

#[derive(Debug, Serialize)]
struct InAll {
    connections: Number<usize>,
    dials_at_a_time: Number<usize>,
    waiters: Number<usize>,
    open_files: Number<u64>,
    heap_bytes: Number<u64>,
}

/// The limits of the configuration that the plan sets.
#[derive(Debug, Serialize)]
struct Settings {
    per_host: usize,
    total: usize,
    dials_per_host: usize,
    dials_total: usize,
    waiters_per_host: usize,
    waiters_total: usize,
    streams_per_conn: usize,
    hosts: usize,
}

#[derive(Debug, Serialize)]
struct Files {
    needed: u64,
    /// `null` if nobody knows.
    available: Option<u64>,
    fits: bool,
    /// The rate that fits, where this one does not and another one would.
    rate_that_fits: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Number<T> {
    value: T,
    /// `law` or `estimate`.
    basis: &'static str,
}

impl Report {
    pub(super) fn new(plan: &Plan, limits: &Limits) -> Self {
        let (available, fits, rate_that_fits) = match plan.fit {
            Fit::Fits { available } => (Some(available), true, None),
            Fit::TooFewFiles {
                available, rate, ..
            } => (Some(available), false, rate),
            _ => (None, true, None),
        };
        Self {
            per_host: PerHost {
                rate: plan.rate_per_host.into(),
                in_flight: plan.in_flight.into(),
                slots: plan.slots.into(),
                waiting_share: plan.waiting_share.into(),
                open: plan.open.into(),
                closed_by_requests: plan.closed_by_requests.into(),
                closed_by_age: plan.closed_by_age.into(),
                closed_by_idleness: plan.closed_by_idleness.into(),
                dials_per_second: plan.dials_per_second.into(),
                dialling: plan.dialling.into(),
                dial_places: plan.dial_places.into(),
                dialling_share: plan.dialling_share.into(),
                per_cell: plan.per_cell.into(),
                connections: plan.per_host.into(),
                dials_at_a_time: plan.dials_per_host.into(),
                cold_start_us: in_micros(plan.cold_start),
                stall_us: in_micros(plan.stall),
                waiters: plan.waiters_per_host.into(),
            },
            in_all: InAll {
                connections: plan.in_all.into(),
                dials_at_a_time: plan.dials_total.into(),
                waiters: plan.waiters_total.into(),
                open_files: plan.open_files.into(),
                heap_bytes: plan.heap_bytes.into(),
            },
            limits: Settings {
                per_host: limits.per_host,
                total: limits.total,
                dials_per_host: limits.dials_per_host,
                dials_total: limits.dials_total,
                waiters_per_host: limits.waiters_per_host,
                waiters_total: limits.waiters_total,
                streams_per_conn: limits.streams_per_conn,
                hosts: limits.hosts,
            },
            files: Files {
                needed: plan.open_files.value,
                available,
                fits,
                rate_that_fits,
            },
        }
    }
}

impl<T> From<Figure<T>> for Number<T> {
    fn from(figure: Figure<T>) -> Self {
        Self {
            value: figure.value,
            basis: basis(figure.basis),
        }
    }
}

fn in_micros(figure: Figure<Duration>) -> Number<u64> {
    Number {
        value: micros(figure.value),
        basis: basis(figure.basis),
    }
}

/// What a number rests on, in a word.
pub(super) fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Law => "law",
        Basis::Estimate => "estimate",
    }
}
