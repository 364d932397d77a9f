//! What may happen to a host.

use std::time::Duration;

use pool_health::Outcome;
use proptest::prelude::*;

use crate::config::DialWhenBusy;
use crate::manager::state::{DialFailure, HostLimits};
use crate::priority::Priority;

/// One event. A number names one of those there are, whatever their number is.
#[derive(Clone, Debug)]
pub(in crate::manager::state) enum Op {
    /// As the manager does: a claim, and a place in the queue if there is no room.
    Ask {
        seat: Seat,
        patience: Option<Duration>,
        starving: bool,
    },
    /// Somebody gives up: one who waits, or who has been granted what it has not collected.
    Cancel(usize),
    /// Somebody collects its outcome.
    Collect(usize),
    /// A lease ends.
    End(usize, End, bool),
    /// The exchange of a lease is over.
    ExpectBack(usize),
    /// A connection is added by hand; `None`: HTTP/1.1.
    Add(u8, Option<usize>),
    GiveWay(u8),
    /// The budget has the permits for one dial.
    Permit,
    /// The address of a dial takes the connection.
    Connected(usize),
    Dialled(usize, Peer, bool),
    DialFailed(usize, DialFailure),
    UpkeepDial(u8),
    /// The budget has permits to spare for one more connection.
    Spread,
    /// SETTINGS: the peer allows so many streams.
    Told(usize, usize),
    GoAway(usize),
    Remove(usize),
    PeerClosed(usize),
    Check(usize),
    CheckInstead(usize),
    WithinCheck(usize),
    EvictIdle(usize),
    EvictIdleFor(Duration, usize),
    Reclaim(Duration),
    GiveUpUseless,
    ShedIdle,
    ShedBusy,
    Observe(u8, Outcome),
    Judge(u8, Verdict),
    Prefer(u8),
    PassOver(u8),
    /// A lookup's answer, as a set of bits.
    Addresses(u8),
    /// A lookup's answer, and those whose ban has ended.
    Trials(u8, u8),
    /// Addresses that are denied by now.
    Forbid(u8),
    LookupFailed,
    ForgetAddresses,
    SetLimits(HostLimits),
    Tick(Duration),
    /// Whoever drives the host is gone.
    GiveUp,
    /// The host is forgotten if it is empty, and made anew.
    Forget,
    /// An event for a connection or a dial of an earlier life.
    Late(usize, u8),
    Close,
}

/// Where somebody waits.
#[derive(Clone, Copy, Debug)]
pub(in crate::manager::state) enum Seat {
    Back(Priority),
    Front,
    /// For one connection alone.
    On(usize),
}

/// How a lease ends.
#[derive(Clone, Copy, Debug)]
pub(in crate::manager::state) enum End {
    Clean,
    Failed,
    Discard,
}

/// What a dial has found.
#[derive(Clone, Copy, Debug)]
pub(in crate::manager::state) enum Peer {
    Http1,
    Http2(usize),
    /// HTTP/2 whose SETTINGS are still to come.
    Untold,
}

/// What outlier detection says of an address.
#[derive(Clone, Copy, Debug)]
pub(in crate::manager::state) enum Verdict {
    Active,
    EjectedFor(Duration),
    Ejected,
}

const ENDLESS: Duration = Duration::MAX;

fn ms() -> impl Strategy<Value = Duration> {
    (0..400_u64).prop_map(Duration::from_millis)
}

/// Usual times, and those at both ends.
fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![8 => ms(), 1 => Just(Duration::ZERO), 1 => Just(ENDLESS)]
}

pub(super) fn when_busy() -> impl Strategy<Value = DialWhenBusy> {
    prop_oneof![
        4 => Just(DialWhenBusy::Immediate),
        1 => time().prop_map(DialWhenBusy::After),
        1 => Just(DialWhenBusy::IfWaitExceedsConnect),
        1 => Just(DialWhenBusy::Never),
    ]
}

/// How long a dial may be silent.
pub(super) fn attempt_delay() -> impl Strategy<Value = Duration> {
    prop_oneof![2 => Just(ENDLESS), 2 => ms(), 1 => time()]
}

/// How many leases are many, and up to how many connections that counts.
pub(super) fn spread() -> impl Strategy<Value = (usize, usize)> {
    (1..4_usize, 1..4_usize)
}

fn limits(current: HostLimits) -> impl Strategy<Value = HostLimits> {
    let counts = (1..6_usize, 1..4_usize, 1..4_usize, 0..4_usize, 1..4_usize);
    let waiters = prop_oneof![1 => 0..4_usize, 2 => Just(current.waiters)];
    let backoff = prop_oneof![4 => Just(current.backoff_base), 1 => time()];
    let delay = prop_oneof![2 => Just(current.attempt_delay), 1 => attempt_delay()];
    (
        counts,
        waiters,
        (backoff, delay),
        (0..4_usize, spread()),
        when_busy(),
    )
        .prop_map(
            move |(
                counts,
                waiters,
                (backoff_base, attempt_delay),
                (fair_turn, spread),
                when_busy,
            )| {
                let (conns, per_endpoint, dials, idle, streams) = counts;
                let (heavy, spread) = spread;
                HostLimits {
                    conns,
                    per_endpoint,
                    dials,
                    waiters,
                    idle,
                    streams,
                    fair_turn,
                    heavy,
                    spread,
                    backoff_base,
                    attempt_delay,
                    when_busy,
                    ..current
                }
            },
        )
}

fn priority() -> impl Strategy<Value = Priority> {
    prop_oneof![1 => Just(Priority::High), 2 => Just(Priority::Normal), 1 => Just(Priority::Low)]
}

pub(super) fn ask() -> impl Strategy<Value = Op> {
    let seat = prop_oneof![
        6 => priority().prop_map(Seat::Back),
        1 => Just(Seat::Front),
        2 => any::<usize>().prop_map(Seat::On),
    ];
    let starving = proptest::bool::weighted(0.2);
    (seat, proptest::option::weighted(0.3, time()), starving).prop_map(
        |(seat, patience, starving)| Op::Ask {
            seat,
            patience,
            starving,
        },
    )
}

fn end() -> impl Strategy<Value = Op> {
    let how = prop_oneof![4 => Just(End::Clean), 1 => Just(End::Failed), 1 => Just(End::Discard)];
    (any::<usize>(), how, proptest::bool::weighted(0.2))
        .prop_map(|(at, how, starving)| Op::End(at, how, starving))
}

fn dialled() -> impl Strategy<Value = Op> {
    let peer = prop_oneof![
        2 => Just(Peer::Http1),
        2 => (0..5_usize).prop_map(Peer::Http2),
        1 => Just(Peer::Untold),
    ];
    (any::<usize>(), peer, proptest::bool::weighted(0.3))
        .prop_map(|(at, peer, checked)| Op::Dialled(at, peer, checked))
}

fn dial_failed() -> impl Strategy<Value = Op> {
    let failure = prop_oneof![
        4 => Just(DialFailure::Endpoint),
        2 => Just(DialFailure::Denied),
        2 => Just(DialFailure::Local),
        1 => Just(DialFailure::Abandoned),
        1 => Just(DialFailure::RuntimeGone),
    ];
    (any::<usize>(), failure).prop_map(|(at, failure)| Op::DialFailed(at, failure))
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        2 => Just(Outcome::Reset),
        1 => Just(Outcome::TimedOut),
        1 => Just(Outcome::ConnectFailed),
        1 => Just(Outcome::Status(503)),
        2 => Just(Outcome::Ok),
    ]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        2 => Just(Verdict::Active),
        2 => time().prop_map(Verdict::EjectedFor),
        1 => Just(Verdict::Ejected),
    ]
}

/// What happens to connections and those who use them.
fn traffic() -> impl Strategy<Value = Op> {
    let at = any::<usize>;
    prop_oneof![
        20 => ask(),
        3 => at().prop_map(Op::Cancel),
        10 => at().prop_map(Op::Collect),
        14 => end(),
        2 => at().prop_map(Op::ExpectBack),
        8 => Just(Op::Permit),
        3 => at().prop_map(Op::Connected),
        8 => dialled(),
        4 => Just(Op::Spread),
        4 => dial_failed(),
        3 => (at(), 0..5_usize).prop_map(|(at, streams)| Op::Told(at, streams)),
        2 => at().prop_map(Op::GoAway),
        6 => at().prop_map(Op::PeerClosed),
        6 => prop_oneof![9 => ms(), 1 => Just(Duration::from_secs(4_000_000_000))].prop_map(Op::Tick),
    ]
}

/// What upkeep, users and resolvers do beside.
fn upkeep(limits_now: HostLimits) -> impl Strategy<Value = Op> {
    let at = any::<usize>;
    let to = || 1..5_u8;
    prop_oneof![
        4 => (1..4_u8, proptest::option::of(0..5_usize)).prop_map(|(to, streams)| Op::Add(to, streams)),
        1 => to().prop_map(Op::GiveWay),
        1 => to().prop_map(Op::UpkeepDial),
        1 => at().prop_map(Op::Remove),
        3 => at().prop_map(Op::Check),
        1 => at().prop_map(Op::CheckInstead),
        1 => at().prop_map(Op::WithinCheck),
        1 => at().prop_map(Op::EvictIdle),
        1 => (time(), 0..3_usize).prop_map(|(time, most)| Op::EvictIdleFor(time, most)),
        1 => time().prop_map(Op::Reclaim),
        1 => prop_oneof![Just(Op::GiveUpUseless), Just(Op::ShedIdle), Just(Op::ShedBusy)],
        2 => (to(), outcome()).prop_map(|(to, outcome)| Op::Observe(to, outcome)),
        3 => (to(), verdict()).prop_map(|(to, verdict)| Op::Judge(to, verdict)),
        1 => prop_oneof![to().prop_map(Op::Prefer), to().prop_map(Op::PassOver)],
        4 => (0..16_u8).prop_map(Op::Addresses),
        2 => (0..16_u8, 0..16_u8).prop_map(|(set, on_trial)| Op::Trials(set, on_trial)),
        1 => (0..16_u8).prop_map(Op::Forbid),
        1 => prop_oneof![Just(Op::LookupFailed), Just(Op::ForgetAddresses)],
        2 => limits(limits_now).prop_map(Op::SetLimits),
        2 => (at(), 0..9_u8).prop_map(|(at, what)| Op::Late(at, what)),
        1 => prop_oneof![9 => Just(Op::Forget), 2 => Just(Op::GiveUp), 1 => Just(Op::Close)],
    ]
}

pub(super) fn any_op(limits: HostLimits) -> impl Strategy<Value = Op> {
    prop_oneof![3 => traffic(), 1 => upkeep(limits)]
}

/// A closed host is asked for more, and what is out comes back.
pub(super) fn after_the_close() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => traffic(),
        4 => end(),
        1 => (any::<usize>(), 0..9_u8).prop_map(|(at, what)| Op::Late(at, what)),
        1 => Just(Op::Addresses(3)),
        1 => (1..4_u8).prop_map(|to| Op::Add(to, None)),
        1 => Just(Op::Close),
    ]
}
